"""Processes that die, stand still and come and go under load, with the verifier as the judge."""
