"""countersign admin trace, countersign admin journal: who sent a message, and is that true."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import Progress

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, errors, fail, read_config
from countersign.cli.show import console, iso_time, show_record, show_time
from countersign.cli.stores import with_store
from countersign.cli.tracking import Asked, NotAskedError, read_argument
from countersign.gateway.config import Config
from countersign.storage.submission.entries import Found
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.verification import Head, Remembered, Verification

app = typer.Typer(
    help="The journal of submitted messages: its end, and whether it was tampered with.",
    no_args_is_help=True,
)
_Result = TypeVar("_Result")
_LONG = 100_000
"""Entries from which on a bar is shown."""


def trace(
    what: Annotated[
        list[str],
        typer.Argument(
            help="IDs, whole Message-Tracking fields, files with a message or a report, or -."
        ),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which user sent a message, by its tracking stamp.

    Example: countersign admin trace report.eml
    """
    settings = read_config(config)
    try:
        asked = list(dict.fromkeys(one for text in what for one in read_argument(text)))
    except NotAskedError as error:
        fail(str(error))

    async def look_up(journal: Journal) -> tuple[Head, list[Found | None]]:
        return await journal.anchor(), [await journal.find(one.id) for one in asked]

    anchor, found = _with_journal(settings, look_up)
    missing = [
        (one, _why_not(one, anchor, settings))
        for one, entry in zip(asked, found, strict=True)
        if entry is None
    ]
    entries = [entry for entry in found if entry is not None]
    if as_json:
        rows = [_as_dict(entry) for entry in entries]
        rows += [{"id": one.id, "found": False, "reason": reason} for one, reason in missing]
        typer.echo(json.dumps(rows, indent=2))
    else:
        _show(entries, missing)
    if missing:
        raise typer.Exit(1)


@app.command()
def head(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print the end of the chain. Keep it on another host, for `verify --head`."""
    typer.echo(str(_with_journal(read_config(config), lambda journal: journal.head())))


@app.command()
def verify(
    config: ConfigOption = DEFAULT_CONFIG,
    kept: Annotated[
        str | None,
        typer.Option("--head", help="NUMBER:HEX that was kept elsewhere, or is in old logs."),
    ] = None,
) -> None:
    """Follow the chain: no entry was changed, deleted, put in or moved.

    Without --head, a journal that was written anew as a whole, or cut at its end, looks right.
    """
    try:
        remembered = None if kept is None else Head.parse(kept)
    except ValueError as error:
        fail(str(error))
    settings = read_config(config)
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("Entries", total=None, visible=False)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, visible=total >= _LONG)

        found = _with_journal(settings, lambda journal: journal.verify(remembered, show))
    console.print("\n".join(_report(found, remembered)), markup=False, highlight=False)
    if not found.is_whole:
        raise typer.Exit(1)


def _report(found: Verification, remembered: Head | None) -> list[str]:
    first = found.anchor.number + 1
    lines = [f"{found.rows:,} entries fit, from number {first} to {found.head.number}."]
    if found.anchor.number:
        lines.append(f"What was before is no longer kept: up to {show_time(found.anchor.at)}.")
    if found.bad is not None:
        lines.append(f"NOT WHOLE: entry {found.bad}: {found.reason}.")
    elif remembered is None:
        lines.append("No head was given: the journal may have been written anew or cut.")
    if found.remembered is Remembered.FOUND:
        lines.append("The head that was kept is in it: nothing up to there was changed.")
    elif found.remembered is Remembered.OLDER:
        lines.append("The head that was kept is older than what is kept: it says nothing.")
    elif found.remembered is Remembered.MISSING:
        lines.append("NOT WHOLE: the head that was kept is not in it, as far as it fits.")
    return [*lines, f"Head: {found.head}"]


def _show(entries: list[Found], missing: list[tuple[Asked, str]]) -> None:
    names = ("ID", "time", "user", "recipients", "client", "octets", "by", "then")
    for number, found in enumerate(entries):
        if number:
            console.print()
        show_record(names, _row(found))
    for one, reason in missing:
        errors.print(f"{one.id}: not found: {reason}", markup=False, highlight=False)


def _row(found: Found) -> Sequence[str]:
    entry = found.entry
    then = "passed on"
    if found.refused_at is not None:
        then = f"refused by the MTA {show_time(found.refused_at)}"
    return (
        entry.id,
        show_time(entry.at),
        entry.user,
        str(entry.recipients),
        entry.client_address,
        f"{entry.size:,}",
        entry.front.value,
        then,
    )


def _as_dict(found: Found) -> dict[str, Any]:
    entry = found.entry
    return {
        "id": entry.id,
        "found": True,
        "time": iso_time(entry.at),
        "user": entry.user,
        "recipients": entry.recipients,
        "client_address": entry.client_address,
        "size": entry.size,
        "body_sha256": entry.body_hash.hex(),
        "front": entry.front.value,
        "refused": None if found.refused_at is None else iso_time(found.refused_at),
    }


def _why_not(asked: Asked, anchor: Head, config: Config) -> str:
    if asked.host and asked.host != config.hostname:
        return f"its stamp names another host, {asked.host}"
    here = "this host has passed no such message on"
    if config.storage.url:
        here += "; each host of a farm has a journal of its own: ask the others"
    if not anchor.number:
        return here
    if asked.at is None:
        return f"it may be older than what is kept (from {show_time(anchor.at)}), or {here}"
    # The stamp has whole seconds.
    if asked.at <= anchor.at + 1:
        return f"it is older than what is kept (from {show_time(anchor.at)})"
    return here


def _with_journal(config: Config, work: Callable[[Journal], Awaitable[_Result]]) -> _Result:
    directory = config.state_directory / "submission"
    if not (directory / "journal.db").exists():
        fail(f"there is no journal in {directory}: nothing was submitted here yet", 1)
    return with_store(lambda: Journal(directory), work, name="the journal")
