"""`python -m proofs.seeded_defects PATCH MODULE [ARGUMENT ...]`: a program of ours, started with a defect in it."""

import importlib
import sys

from proofs.seeded_defects.patches import PATCHES


def main(patch: str, module: str, *arguments: str) -> int:
    """Patches, then runs the module's command line; answers its exit code."""
    if patch:
        PATCHES[patch]()
    return int(importlib.import_module(f"{module}.cli").main(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
