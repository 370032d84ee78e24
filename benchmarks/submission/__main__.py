"""make bench-submission: our milter and listener against OpenDKIM and Postfix, and a day."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.peers import postfix

from benchmarks.submission import dovecot, opendkim
from benchmarks.submission.day import run_day
from benchmarks.submission.measuring import Figure, measure

RESULTS = Path("benchmarks/results/submission.json")


def show(figures: list[Figure]) -> Table:
    """Return the figures as a table."""
    table = Table(title="Submission on one machine, in turn; medians; CPU of a message in ms")
    table.add_column("way in")
    for column in (
        *("KB", "connections", "messages/s", "/ Postfix alone", "Postfix's CPU"),
        *("filter's CPU", "/ OpenDKIM", "all CPU", "/ OpenDKIM"),
    ):
        table.add_column(column, justify="right")
    for one in figures:
        table.add_row(
            one.name,
            f"{one.size // 1000}",
            f"{one.at_once}",
            f"{one.per_second:.0f}",
            f"{one.rate_ratio:.2f}",
            f"{one.postfix_cpu:.2f}",
            f"{one.filter_cpu:.2f}" if one.filter_cpu else "",
            f"{one.filter_ratio:.2f}" if one.filter_cpu else "",
            f"{one.postfix_cpu + one.filter_cpu:.2f}",
            f"{one.whole_ratio:.2f}",
        )
    return table


def main() -> None:
    """Measure, print tables and write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=("day", "ways"), default=("day", "ways"))
    options = parser.parse_args()
    console = Console(width=140 if not sys.stdout.isatty() else None)
    reasons = (postfix.missing_reason(), dovecot.missing_reason(), opendkim.missing_reason())
    if any(reasons) and "ways" in options.parts:
        console.print(f"[red]make bench-submission:[/] {next(filter(None, reasons))}")
        sys.exit(2)
    document: dict[str, Any] = {"processors": os.cpu_count()}
    if "day" in options.parts:
        document["day"] = asyncio.run(run_day(console))
    if "ways" in options.parts:
        with tempfile.TemporaryDirectory(prefix="countersign-bench-") as directory:
            # Postfix's user reads the certificate.
            Path(directory).chmod(0o755)
            figures = asyncio.run(measure(Path(directory), options.rounds, console.status("")))
        console.print(show(figures))
        document["ways"] = [asdict(figure) for figure in figures]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    console.print(f"Written to {RESULTS}")


if __name__ == "__main__":
    main()
