"""The Spark driver of bronze and of silver and gold, killed at named points and at random; checkpoints and tables that are lost."""
