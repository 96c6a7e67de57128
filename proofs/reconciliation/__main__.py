"""`python -m proofs.reconciliation DEFECT [ARGUMENT ...]`: the Spark jobs' command line with a defect in it."""

import sys

from proofs.reconciliation.defects import applied
from spark_jobs import cli


def main(defect: str, *arguments: str) -> int:
    """Runs the command line with the defect; answers its exit code."""
    with applied(defect):
        return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
