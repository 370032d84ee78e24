"""The process that the service starts; see `inside.py`."""

from __future__ import annotations

import sys

from countersign.registrar.beside.program import run_child
from countersign.registrar.mailbox.process import run_mailbox

if __name__ == "__main__":
    sys.exit(run_child("mailbox", run_mailbox))
