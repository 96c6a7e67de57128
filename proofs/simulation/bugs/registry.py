"""The simulation's bugs by name; some are those of the seeded defects. For proofs only."""

from proofs.seeded_defects import patches
from proofs.seeded_defects.patches import Patch

BUGS: dict[str, Patch] = {
    name: patches.PATCHES[name]
    for name in (
        "next page at plus one tick",
        "to is now",
        "a reread ends at its newest item",
        "as of clock at the answer",
        "a clock used twice",
        "web exception ignored",
        "item errors ignored",
        "microsecond truncation",
        "identity without ordinal",
        "statement cut inside an instant",
    )
}
"""Every bug by name."""


def bug(function: Patch) -> Patch:
    """Registers a bug under its function's name, in words."""
    BUGS[function.__name__.replace("_", " ")] = function
    return function
