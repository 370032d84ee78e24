"""The process that the service starts; see `inside.py`."""

from __future__ import annotations

import sys

from countersign.registrar.beside.program import run_child
from countersign.registrar.primary.process import run_primary

if __name__ == "__main__":
    sys.exit(run_child("primary", run_primary))
