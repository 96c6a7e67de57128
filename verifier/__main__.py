"""Entry of `python -m verifier`."""

import gc
import sys

from verifier.cli import main

gc.disable()  # millions of objects that live to the end, none of them in a cycle: looking for some takes half of the time
sys.exit(main())
