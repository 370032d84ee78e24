"""The day of 500 users with its attacks, as tables."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table
from tests.gateway.submission.day.attacks import ATTACKS
from tests.gateway.submission.day.guessing import Guessing, guess_for
from tests.gateway.submission.day.whole import DayFigures, replay_day

USERS = 500
HOURS = 3


async def run_day(console: Console) -> dict[str, Any]:
    """Replay the day, print what came of it, and return the figures."""
    # A warning for each letter's connection would bury the table.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="countersign-day-") as directory:
        day = await replay_day(Path(directory), USERS, ATTACKS)
        guesses = await guess_for(Path(directory), HOURS, seconds=12)
    console.print(_table(day))
    console.print(
        f"{day.users} users, {day.messages} messages to {day.recipients} recipients of those whose "
        f"passwords nobody had; {day.refused} refused; false locks: {day.false_locks}; "
        f"letters to the administrator: {day.letters}"
    )
    console.print(_guesses(guesses))
    return asdict(day) | {"guesses": [asdict(one) for one in guesses]}


def _guesses(guesses: list[Guessing]) -> Table:
    table = Table(title=f"Passwords guessed for {HOURS} hours")
    table.add_column("way")
    for column in ("tried", "looked at", "owner refused"):
        table.add_column(column, justify="right")
    for one in guesses:
        table.add_row(one.name, f"{one.tried}", f"{one.looked_at}", f"{one.owner_refused}")
    return table


def _table(day: DayFigures) -> Table:
    table = Table(title="Stolen passwords: what got out before the lock")
    table.add_column("attack")
    for column in ("tried", "got out", "user's own", "seconds until locked", "letters"):
        table.add_column(column, justify="right")
    for one in day.attacks:
        seconds = one.seconds_until_lock
        table.add_row(
            one.name,
            f"{one.wanted}",
            f"{one.got_out}",
            f"{one.user_sent}",
            "not locked" if seconds is None else f"{seconds:,.1f}",
            f"{one.letters}",
        )
    return table
