"""What is measured: figures with what they are compared to, and how far the run has got."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

Advance = Callable[[int], None]


@dataclass
class Figure:
    """One line of a table: ours, theirs, and ours / theirs."""

    what: str
    unit: str
    ours: float
    theirs: float
    peer: str
    """Who or what "theirs" is."""
    aim: str = "-"
    ratio: float = 0.0

    def __post_init__(self) -> None:
        if not self.ratio:
            self.ratio = self.ours / self.theirs if self.theirs else 0.0


@dataclass
class Part:
    """The figures of one part, and what else is worth knowing of it."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def table(self) -> Table:
        table = Table(title=self.title)
        for column in ("what", "unit", "ours", "theirs", "compared with", "ratio", "aim"):
            is_text = column in ("what", "unit", "compared with")
            table.add_column(column, justify="left" if is_text else "right")
        for one in self.figures:
            numbers = (written(one.ours), written(one.theirs), one.peer, written(one.ratio))
            table.add_row(one.what, one.unit, *numbers, one.aim)
        return table


class Steps:
    """Shows each step of the run with a bar of its own."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Steps:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._progress.stop()

    def begin(self, text: str, total: int | None = None) -> Advance:
        """Begin a step; what is returned is called with how much more is done."""
        self._end()
        if not self._console.is_terminal:
            # A bar that nobody sees move says less than a line.
            self._console.print(text)
        self._task = task = self._progress.add_task(text, total=total)
        return lambda more: self._progress.advance(task, more)

    def _end(self) -> None:
        if self._task is not None:
            total = self._progress.tasks[self._task].total or 1
            self._progress.update(self._task, total=total, completed=total)
            self._progress.stop_task(self._task)
            self._task = None


def paired(
    what: str, unit: str, peer: str, pairs: list[tuple[float, float]], aim: str = "-"
) -> Figure:
    """Return the medians of pairs (ours, theirs) that were measured in turn."""
    return Figure(
        what,
        unit,
        statistics.median(ours for ours, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        peer,
        aim,
        statistics.median(ours / theirs for ours, theirs in pairs),
    )


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least this share of all does not exceed."""
    in_order = sorted(values)
    return in_order[min(len(in_order) - 1, int(share * len(in_order)))]


def write(path: Path, parts: dict[str, Part]) -> None:
    """Write the parts of this run in place of those of earlier ones; others stay."""
    known = json.loads(path.read_text())["parts"] if path.exists() else {}
    known |= {name: asdict(part) for name, part in parts.items()}
    path.parent.mkdir(exist_ok=True)
    document = {"processors": os.cpu_count(), "parts": known}
    path.write_text(json.dumps(document, indent=1) + "\n")


def written(number: float) -> str:
    """Return a number with three digits that count, or all before the point."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"
