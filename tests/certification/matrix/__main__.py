"""Write the matrix to standard output; all servers, or those whose names hold the arguments."""

from __future__ import annotations

import asyncio
import logging
import sys

import structlog

from tests.certification.matrix.running import run_matrix
from tests.certification.matrix.states import STATES
from tests.certification.matrix.table import print_table


def main(words: list[str]) -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    states = [
        one
        for one in STATES
        if not words or any(word.lower() in one.name.lower() for word in words)
    ]
    rows = asyncio.run(run_matrix(states))
    print_table(rows)
    return 0 if all(row.is_as_expected for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
