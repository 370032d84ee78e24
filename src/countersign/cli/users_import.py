"""countersign users import: many users at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, errors, fail
from countersign.cli.users_common import Users, console, deed, with_users

if TYPE_CHECKING:
    from countersign.gateway.submission.user_rows import ReadRow, RowFault
    from countersign.storage.submission.account_rows import NewUser

_MAX_SHOWN = 50
_EXISTS = "there is a user of this name already (--skip-existing, --replace)"


class Form(StrEnum):
    """How a list is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PASSWD = "passwd"  # noqa: S105 - the name of a format


def import_users(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The list; - is standard input.")],
    *,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="Default: by the file's ending (.csv, .jsonl, .passwd)."),
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Pass over users who are there already.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change users who are there to what the list says.")
    ] = False,
    weak: Annotated[bool, typer.Option("--weak", help="Take weak passwords all the same.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the list; add nobody.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add many users: all of a list, or none if a line of it is wrong.

    CSV has a first line of column names: name, password, per_message, per_day, stamps_name,
    is_administrator, is_disabled. JSON lines have the same, and are what `export` writes. A
    password is in clear, or {ARGON2ID}$argon2id$…, as Dovecot writes it; a passwd-file of
    Dovecot's is taken too.

    With --replace, users who are there get password, limits and privilege of the list, and a
    changed password ends what was signed in with the old one; a password in clear counts as
    changed each time, so give hashes to what is done each night. A line of JSON says all of a user:
    what it leaves out is taken back. What CSV leaves empty stays, as does whoever is not in the
    list. The record says what was changed.

    Examples:
    countersign users import users.csv --dry-run

    countersign users import users.jsonl --replace

    countersign users import - --format jsonl < users.jsonl
    """
    chosen = form or _form_of(file)

    if replace and skip_existing:
        fail("give --replace or --skip-existing, not both")

    async def work(users: Users) -> None:
        from countersign.gateway.submission.user_rows import RowFault

        found = _read(file, chosen, users.knows_all)
        faults = [one for one in found if isinstance(one, RowFault)]
        rows = [one for one in found if not isinstance(one, RowFault)]
        known = set(await users.all())
        new = [row for row in rows if row.row.name not in known]
        existing = [row for row in rows if row.row.name in known]
        if not weak:
            faults += _weak(new if skip_existing else rows, users.config.hostname)
        if not (skip_existing or replace):
            faults += [RowFault(row.line, _EXISTS) for row in existing]
        if faults:
            _show_faults(faults)
        if dry_run:
            more = f", {len(existing)} can be replaced" if replace else ""
            console.print(f"{len(new)} users can be added{more}.")
        elif replace:
            await _replace(users, rows)
        else:
            await _add(users, new, len(existing))
        if replace:
            _show_others(sorted(known - {row.row.name for row in rows}))

    with_users(config, work)


def _weak(rows: Sequence[ReadRow], hostname: str) -> list[RowFault]:
    """Return the lines whose passwords are in clear, and easy to guess."""
    from countersign.gateway.submission.passwords import WeakPasswordError, check_strength
    from countersign.gateway.submission.user_rows import RowFault

    faults = []
    for row in rows:
        try:
            if row.clear_password:
                check_strength(row.clear_password, row.row.name, hostname)
        except WeakPasswordError as error:
            faults.append(RowFault(row.line, f"{error} (--weak takes it all the same.)"))
    return faults


async def _add(users: Users, rows: Sequence[ReadRow], passed: int) -> None:
    from countersign.storage.submission.account_rows import EventKind

    added = _hashed(rows, users.config.sign_in.local.scram_iterations)
    await users.accounts.add(added, deed(), EventKind.IMPORTED)
    more = f", {passed} were there already" if passed else ""
    console.print(f"{len(added)} users are added{more}.")


async def _replace(users: Users, rows: Sequence[ReadRow]) -> None:
    from countersign.cli.users_privilege import deliver
    from countersign.storage.submission.account_replacing import Replacement

    made = _hashed(rows, users.config.sign_in.local.scram_iterations)
    listed = [Replacement(user, row.says) for user, row in zip(made, rows, strict=True)]
    done = await users.accounts.replace(listed, deed())
    same = len(rows) - done.added - done.changed
    console.print(f"{done.added} users are added, {done.changed} replaced, {same} were so already.")
    # A privilege that this host has granted may have ended.
    if why := await deliver(users):
        console.print(f"The registrar is told later: {why}.", markup=False)


def _show_others(names: Sequence[str]) -> None:
    """Say who is here and not in the list: removing is for a person to decide."""
    if not names:
        return
    console.print(f"{len(names)} are here and not in the list; they stay:")
    for name in names[:_MAX_SHOWN]:
        console.print(f"  countersign users remove {quote(name)}", markup=False)
    if len(names) > _MAX_SHOWN:
        console.print(f"  and {len(names) - _MAX_SHOWN} more")


def _form_of(file: str) -> Form:
    ending = Path(file).suffix.lower().lstrip(".")
    names = {"json": Form.JSONL, "ndjson": Form.JSONL, **{str(one): one for one in Form}}
    if ending not in names:
        fail("say how the list is written: --format csv, jsonl or passwd")
    return names[ending]


def _read(file: str, form: Form, needs_password: bool) -> list[ReadRow | RowFault]:
    from countersign.gateway.submission.user_rows import ListFormat, read_rows

    try:
        if file == "-":
            lines = _lines(sys.stdin)
            return list(read_rows(lines, ListFormat(form), needs_password=needs_password))
        with Path(file).open(encoding="utf-8-sig", newline="") as stream:
            lines = _lines(stream)
            return list(read_rows(lines, ListFormat(form), needs_password=needs_password))
    except UnicodeDecodeError:
        fail(f"{file}: the list is not in UTF-8", 1)
    except OSError as error:
        fail(f"{file}: {error.strerror}", 1)


def _lines(stream: TextIO) -> Iterator[str]:
    from countersign.gateway.submission.user_rows import MAX_LINE

    while line := stream.readline(MAX_LINE):
        yield line


def _show_faults(faults: Sequence[RowFault]) -> None:
    shown = sorted(faults, key=lambda one: one.line)
    for fault in shown[:_MAX_SHOWN]:
        errors.print(f"line {fault.line}: {fault.words}", style="red", markup=False)
    more = f", {len(faults) - _MAX_SHOWN} more" if len(faults) > _MAX_SHOWN else ""
    lines = "1 line" if len(faults) == 1 else f"{len(faults)} lines"
    fail(f"{lines} cannot be taken{more}; nobody is added", 1)


def _hashed(rows: Sequence[ReadRow], iterations: int) -> list[NewUser]:
    """Return the users; passwords in clear are hashed, which takes its time on purpose."""
    from rich.progress import track

    from countersign.gateway.submission.passwords import make_credentials

    def one(row: ReadRow) -> NewUser:
        clear = row.clear_password
        return row.user(make_credentials(clear, iterations) if clear else None)

    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        made = threads.map(one, rows)
        return list(
            track(made, "Hashing", total=len(rows), console=errors, disable=not errors.is_terminal)
        )
