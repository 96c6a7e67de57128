"""Real history replayed as live through the rules of the stream processors: what they find in it, and what they do not."""
