"""What the bridge does with real servers, beside the obvious way to do the same: `python -m benchmarks.bridge`."""
