"""`python -m console`: the same as `pibridge`."""

from console.cli import main

main()
