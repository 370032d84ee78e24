"""countersign users export: all users, for another host."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, errors
from countersign.cli.users_common import Users, new_file, with_users

if TYPE_CHECKING:
    from countersign.storage.submission.account_rows import Credentials, User

_WAITS = (
    "the privilege waits for the registrar, and is not in the list; write it again when "
    "countersign users show has the registrar's number"
)


def export_users(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write this new file (mode 0600).")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write all users as JSON lines, with the hashes of their passwords: keep it secret.

    For `import --replace` on the other hosts of a farm. What was decided about users is not in
    it, nor a privilege of which the registrar does not know yet.

    Example: countersign users export -o users.jsonl
    """

    async def work(users: Users) -> None:
        with _output(output) as stream:
            for user in (await users.all()).values():
                credentials = await users.accounts.credentials(user.name)
                stream.write(json.dumps(_row(user, credentials), ensure_ascii=False) + "\n")
                if user.privilege is not None and user.privilege.number is None:
                    errors.print(f"{user.name}: {_WAITS}", markup=False)

    with_users(config, work)


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
    # One that waits would wait for ever elsewhere: the registrar answers this host.
    if (privilege := user.privilege) is not None and privilege.number is not None:
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
    return io.TextIOWrapper(new_file(path), encoding="utf-8")
