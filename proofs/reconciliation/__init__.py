"""What is missing or altered in the tables is found without being told, and mended."""
