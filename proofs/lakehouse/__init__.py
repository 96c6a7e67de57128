"""What users see of the lakehouse after a demo: descriptions, the catalog's listing, answers to the questions that come along."""
