"""countersign admin locks, countersign admin failures: who may not send, who could not sign in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail, read_config
from countersign.cli.show import iso_time, show_table, show_time
from countersign.cli.stores import with_store
from countersign.rules.sign_in import counted_name
from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import Lock, LockReason, SubmissionTables

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Result = TypeVar("_Result")


def locks(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show which accounts may not send, since when and why.

    To lift one: countersign users unlock USER
    """
    found = _with_tables(config, lambda tables: tables.locks())
    rows = [
        {
            "user": lock.user,
            "reason": lock.reason.value,
            "since": iso_time(lock.since),
            "used": lock.used,
            "wanted": lock.wanted,
            "limit": lock.limit,
            "words": lock.words,
        }
        for lock in found
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    shown = [(lock.user, show_time(lock.since), lock.reason.value, _why(lock)) for lock in found]
    show_table(("user", "since", "reason", "figures"), shown, "No account is locked.")


def failures(
    config: ConfigOption = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(min=1, help="Show this many at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show the newest sign-ins that failed, the newest first."""
    found = _with_tables(config, lambda tables: tables.recent_failures(limit))
    if as_json:
        rows = [
            {
                "time": iso_time(failure.at),
                "user": failure.user,
                "network": failure.network,
                "reason": failure.reason,
            }
            for failure in found
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    shown = [(show_time(one.at), one.user, one.network, one.reason) for one in found]
    show_table(("time", "user", "network", "reason"), shown, "No sign-in has failed.")


def pardon(
    user: Annotated[str, typer.Argument(metavar="USER", help="As admin failures shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Let a user sign in again at once: what has failed so far counts no more.

    For one whose mail program went on trying with an old password. Somebody else's guesses at
    the account are forgiven, too; the list of failures keeps them all.

    Example: countersign admin pardon alice
    """
    count = _with_tables(config, lambda tables: tables.pardon(counted_name(user)))
    if not count:
        fail(f"no failed sign-in of {user} counts: see countersign admin failures", 1)
    typer.echo(f"{count} failed sign-in{'' if count == 1 else 's'} of {user} count no more.")


def _why(lock: Lock) -> str:
    if lock.reason is LockReason.ADMINISTRATOR:
        return lock.words
    return (
        f"{lock.used} recipients in 24 hours; {lock.wanted} more would pass the limit {lock.limit}"
    )


def _with_tables(
    config: ConfigOption, work: Callable[[SubmissionTables], Awaitable[_Result]]
) -> _Result:
    settings = read_config(config)
    url, directory = settings.storage.url, settings.state_directory / "submission"
    return with_store(lambda: open_submission_tables(url, directory), work, name="the counts")
