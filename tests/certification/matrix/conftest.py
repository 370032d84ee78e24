"""Shows the matrix at the end of the test run."""

from __future__ import annotations

import pytest

from tests.certification.matrix.running import Row
from tests.certification.matrix.table import print_table

ROWS = pytest.StashKey[list[Row]]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash.get(ROWS, None)
    if rows:
        terminalreporter.section("servers in known states, tested from three networks")
        print_table(rows, terminalreporter)
