"""What a person touches: the `pibridge` command, the local stack, the demo. No data passes through it."""
