"""How a probe stands, for people and for machines."""

from __future__ import annotations

import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from countersign.probe.client import skew_words
from countersign.probe.standing import Standing

_MOST_SHOWN = 20
_NOTEWORTHY_SKEW = 5.0


def as_values(found: Standing) -> dict[str, Any]:
    """Return a standing as values that JSON has. Times are Unix seconds."""
    notes = found.notes
    return {
        "registrar": found.registrar,
        "probe": found.id,
        "name": found.name,
        "network": found.network,
        "key": found.fingerprint,
        "running": found.is_running,
        "asked_at": notes.asked_at if notes else 0.0,
        "error": notes.error if notes else "",
        "skew_seconds": notes.skew if notes else 0.0,
        "at_work": [
            {"order": one.order, "host": one.host, "since": one.since, "ends_at": one.ends_at}
            for one in (notes.at_work if notes else ())
        ],
        "undelivered": list(notes.undelivered) if notes else [],
        "delivered": notes.delivered if notes else 0,
    }


def as_table(found: Standing) -> Table:
    """Return a standing as a table for a terminal."""
    table = Table.grid(padding=(0, 2))
    for label, value in _lines(found):
        table.add_row(Text(label, "bold"), Text(value))
    return table


def _lines(found: Standing) -> list[tuple[str, str]]:
    notes = found.notes
    lines = [
        ("Registrar", found.registrar),
        ("Probe", f"{found.name} (number {found.id}), in {found.network}"),
        ("Key", found.fingerprint),
        ("Runs", f"yes, process {notes.process}" if notes and found.is_running else "no"),
    ]
    if notes is None:
        return lines
    lines.append(("Last answer", _moment(notes.asked_at)))
    if notes.error:
        lines.append(("Error", f"{notes.error} ({_moment(notes.error_at)})"))
    if abs(notes.skew) >= _NOTEWORTHY_SKEW:
        lines.append(("Clock", skew_words(notes.skew)))
    lines.append(("Orders at work", str(len(notes.at_work))))
    for one in notes.at_work[:_MOST_SHOWN]:
        lines.append(("", f"{one.order}: {one.host}, since {_moment(one.since)}"))
    if len(notes.at_work) > _MOST_SHOWN:
        lines.append(("", "…"))
    lines.append(("Results to deliver", str(len(notes.undelivered))))
    lines.append(("Results delivered", f"{notes.delivered} since the start"))
    return lines


def _moment(at: float) -> str:
    if not at:
        return "never"
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
