"""Secondaries and their keys as tables in a terminal."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from countersign.registrar.operations.secondaries import Condition
from countersign.registrar.queries.secondaries import SecondaryStatus, duration
from countersign.storage.database.replication import SecondaryKey

_COLOURS = {
    Condition.UP_TO_DATE: "green",
    Condition.CATCHING_UP: "cyan",
    Condition.BEHIND: "bold red",
    Condition.AHEAD: "bold red",
    Condition.ERROR: "yellow",
    Condition.NEVER_SEEN: "dim",
}


def status_table(found: Sequence[SecondaryStatus], now: datetime.datetime) -> Table:
    """Return a table of how far each secondary is."""
    table = _table("name", "kind", "place", "condition", "serial", "lacks", "last seen", "error")
    for one in found:
        row, state, seen, serial = one.secondary, one.state, "never", ""
        if state is not None and state.asked_at is not None:
            seen = f"{duration((now - state.asked_at).total_seconds())} ago, {state.address}"
        if state is not None and state.serial is not None:
            serial = str(state.serial)
        condition = Text(_words(one.condition), _COLOURS[one.condition])
        lacks = "" if one.lag is None else str(one.lag)
        plain = (serial, lacks, seen, one.error)
        table.add_row(
            *map(Text, (row.name, row.kind, row.place)), condition, *(Text(cell) for cell in plain)
        )
    return table


def key_table(keys: Sequence[SecondaryKey], good: Collection[int]) -> Table:
    """Return a table of keys; good: those that are, by their rows' keys."""
    table = _table("key", "algorithm", "made", "last used", "state")
    for key in keys:
        state = "good" if key.id in good else "revoked" if key.revoked_at else "ended"
        if key.id in good and key.ends_at is not None:
            state = f"good until {key.ends_at:%Y-%m-%d %H:%M} UTC"
        used = f"{key.used_at:%Y-%m-%d %H:%M}" if key.used_at else "never"
        table.add_row(key.name, key.algorithm, f"{key.made_at:%Y-%m-%d %H:%M}", used, state)
    return table


def print_about(console: Console, one: SecondaryStatus) -> None:
    """Print what is known of a secondary, a line each."""
    row, state = one.secondary, one.state
    serial = state.serial if state is not None else None
    transfer = seen = ""
    if state is not None and state.transferred_at is not None:
        moment = f"{state.transferred_at:%Y-%m-%d %H:%M} UTC"
        transfer = f"{state.transfer.upper()}, {state.octets:,} octets, {moment}"
    if state is not None and state.asked_at is not None:
        seen = f"{state.asked_at:%Y-%m-%d %H:%M} UTC, {state.address}"
    for label, value in (
        ("Kind", row.kind),
        ("Place", row.place),
        ("Contact", row.contact),
        ("Notified at", ", ".join(row.notify)),
        ("Asked at", row.ask),
        ("Condition", _words(one.condition)),
        ("Serial", "" if serial is None else str(serial)),
        ("Lacks", "" if one.lag is None else str(one.lag)),
        ("Last transfer", transfer),
        ("Last seen", seen),
        ("Last error", one.error),
    ):
        console.print(f"{label + ':':15}{value or '-'}", markup=False, highlight=False)


def _table(first: str, *others: str) -> Table:
    # The first column is an argument of other commands: it is never cut short.
    return Table(Column(first, overflow="fold", ratio=2), *others)


def _words(condition: Condition) -> str:
    return condition.replace("-", " ")
