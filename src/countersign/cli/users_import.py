"""countersign users import, export: many users at once."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, errors, fail
from countersign.cli.users_common import Users, console, deed, with_users

if TYPE_CHECKING:
    from countersign.gateway.submission.user_rows import ReadRow, RowFault
    from countersign.storage.submission.account_rows import Credentials, NewUser, User

_MAX_SHOWN = 50


class Form(StrEnum):
    """How a list is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PASSWD = "passwd"  # noqa: S105 - the name of a format


def import_users(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The list; - is standard input.")],
    form: Annotated[
        Form | None,
        typer.Option("--format", help="Default: by the file's ending (.csv, .jsonl, .passwd)."),
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Pass over users who are there already.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the list; add nobody.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add many users: all of a list, or none if a line of it is wrong.

    CSV has a first line of column names: name, password, per_message, per_day, stamps_name,
    is_administrator, is_disabled. JSON lines have the same, and are what `export` writes. A
    password is in clear, or {ARGON2ID}$argon2id$…, as Dovecot writes it; a passwd-file of
    Dovecot's is taken too.

    Examples:
    countersign users import users.csv --dry-run

    countersign users import - --format jsonl < users.jsonl
    """
    chosen = form or _form_of(file)

    async def work(users: Users) -> None:
        from countersign.gateway.submission.user_rows import RowFault

        found = _read(file, chosen, users.keeps_passwords)
        faults = [one for one in found if isinstance(one, RowFault)]
        rows = [one for one in found if not isinstance(one, RowFault)]
        rows, existing = await _apart(users, rows)
        if not skip_existing:
            faults += existing
        if faults:
            _show_faults(faults)
        if dry_run:
            console.print(f"{len(rows)} users can be added.")
            return
        added = _hashed(rows, users.config.sign_in.local.scram_iterations)
        from countersign.storage.submission.account_rows import EventKind

        await users.accounts.add(added, deed(), EventKind.IMPORTED)
        passed = f", {len(existing)} were there already" if existing else ""
        console.print(f"{len(added)} users are added{passed}.")

    with_users(config, work)


def export_users(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write this new file (mode 0600).")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write all users as JSON lines, with the hashes of their passwords: keep it secret.

    For `import` on the other hosts of a farm. What was decided about users is not in it.

    Example: countersign users export -o users.jsonl
    """

    async def work(users: Users) -> None:
        with _output(output) as stream:
            for user in (await users.all()).values():
                credentials = await users.accounts.credentials(user.name)
                stream.write(json.dumps(_row(user, credentials), ensure_ascii=False) + "\n")

    with_users(config, work)


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


async def _apart(users: Users, rows: Sequence[ReadRow]) -> tuple[list[ReadRow], list[RowFault]]:
    """Return the rows of new users, and faults for those of users who are there."""
    from countersign.gateway.submission.user_rows import RowFault

    known = await users.all()
    new, existing = [], []
    for row in rows:
        if row.row.name not in known:
            new.append(row)
        else:
            existing.append(RowFault(row.line, "there is a user of this name already"))
    return new, existing


def _show_faults(faults: Sequence[RowFault]) -> None:
    shown = sorted(faults, key=lambda one: one.line)
    for fault in shown[:_MAX_SHOWN]:
        errors.print(f"line {fault.line}: {fault.words}", style="red", markup=False)
    more = f", {len(faults) - _MAX_SHOWN} more" if len(faults) > _MAX_SHOWN else ""
    fail(f"{len(faults)} lines cannot be taken{more}; nobody is added", 1)


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


def _row(user: User, credentials: Credentials | None) -> dict[str, Any]:
    row: dict[str, Any] = {"name": user.name}
    if credentials is not None:
        row["password"] = f"{{ARGON2ID}}{credentials.argon2_hash}"
        if scram := credentials.scram:
            row["scram"] = {
                "salt": base64.b64encode(scram.salt).decode(),
                "stored_key": base64.b64encode(scram.stored_key).decode(),
                "server_key": base64.b64encode(scram.server_key).decode(),
                "iterations": scram.iterations,
            }
    for name in ("per_message", "per_day", "stamps_name"):
        if (value := getattr(user, name)) is not None:
            row[name] = value
    row |= {name: True for name in ("is_administrator", "is_disabled") if getattr(user, name)}
    if (privilege := user.privilege) is not None:
        row["privilege"] = {
            "identifier": privilege.identifier,
            "accepted_on": privilege.accepted_on,
            "agreement_version": privilege.agreement_version,
            "number": privilege.number,
            "paper_sha256": privilege.paper_sha256,
        }
    return row


def _output(path: Path | None) -> TextIO:
    if path is None:
        # A copy, so that closing it leaves standard output open.
        return os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        fail(f"{path} is there already")
    except OSError as error:
        fail(f"{path}: {error.strerror}", 1)
    return os.fdopen(handle, "w", encoding="utf-8")
