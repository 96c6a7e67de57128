"""Defects on purpose in the bridge's core, which the simulation has to catch. For proofs only."""

from proofs.simulation.bugs import core, rereads
from proofs.simulation.bugs.registry import BUGS

__all__ = ["BUGS", "core", "rereads"]
