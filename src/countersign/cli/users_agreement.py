"""countersign users agreement, agreed: contracts with users on paper."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail
from countersign.cli.users_common import (
    NameArgument,
    Users,
    checked_day,
    checked_name,
    console,
    deed,
    new_file,
    paper_digest,
    with_users,
)

if TYPE_CHECKING:
    from countersign.gateway.config import Config
    from countersign.registrar.documents.text import Kind, Value
    from countersign.rules.submission import Account

AcceptedOption = Annotated[
    str, typer.Option(metavar="DATE", help="When the user accepted the agreement: 2026-03-31.")
]
PaperOption = Annotated[
    Path | None, typer.Option(help="Scan of the signed paper: its SHA-256 is kept.")
]
VersionOption = Annotated[
    str, typer.Option(help="The agreement's version; default: the newest, as `agreement` prints.")
]
_NO_OWNER = (
    "say in the configuration who owns the server: administrator.owner_name and .owner_address"
)


def print_agreement(
    name: NameArgument,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Write this new PDF (mode 0600).")],
    privileged: Annotated[
        bool, typer.Option("--privileged", help="The agreement for privileged users.")
    ] = False,
    person: Annotated[
        str, typer.Option(metavar="NAME", help="The user's full name; kept nowhere else.")
    ] = "",
    registrar_name: Annotated[
        str, typer.Option(help="The registrar's name; default: the host of registrar.url.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write the agreement with a user as PDF, filled in, to be signed on paper.

    Owner and address come from the configuration ([administrator]).

    Example: countersign users agreement alice -o alice.pdf --person "Alice Doe"
    """
    user = checked_name(name)

    async def work(users: Users) -> bytes:
        await users.must_exist(user)
        facts = await users.accounts.facts(user)
        return _agreement(users.config, facts, privileged, person, registrar_name)

    pdf = with_users(config, work)
    try:
        with new_file(output) as stream:
            stream.write(pdf)
    except OSError as error:
        fail(f"{output}: {error.strerror}", 1)
    console.print(f"{output} is written: two copies, one for each party.", markup=False)


def record_agreement(
    name: NameArgument,
    *,
    accepted: AcceptedOption,
    paper: PaperOption = None,
    version: VersionOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Record that a user has signed the agreement on the use of the server.

    Example: countersign users agreed alice --accepted 2026-03-31 --paper signed.pdf
    """
    user = checked_name(name)
    day, digest = checked_day(accepted, "--accepted"), paper_digest(paper)

    async def work(users: Users) -> None:
        from countersign.registrar.documents.text import Kind
        from countersign.storage.submission.account_rows import EventKind

        await users.must_exist(user)
        details = {
            "accepted_on": day.isoformat(),
            "agreement_version": checked_version(Kind.USER_AGREEMENT, version),
            "paper_sha256": digest,
        }
        await users.accounts.record(user, EventKind.AGREEMENT, deed(), details)
        console.print("Recorded.")

    with_users(config, work)


def checked_version(kind: Kind, version: str) -> str:
    """Return a version of an agreement, the newest by default, or end."""
    from countersign.registrar.documents.text import current, versions

    if version and version not in versions(kind):
        fail(f"--version: there are {', '.join(versions(kind))}")
    return version or current(kind)


def _agreement(
    config: Config, facts: Account, privileged: bool, person: str, registrar_name: str
) -> bytes:
    from countersign.registrar.documents.agreement import agreement_pdf
    from countersign.registrar.documents.sheet import Party
    from countersign.registrar.documents.text import Kind, TextError, current, fill

    owner = config.administrator
    if not (owner.owner_name and owner.owner_address):
        fail(_NO_OWNER)
    if not config.registrar.url:
        fail("say in the configuration with whom the server is registered: registrar.url")
    url = config.registrar.url.rstrip("/")
    kind = Kind.PRIVILEGED_USER_AGREEMENT if privileged else Kind.USER_AGREEMENT
    values: dict[str, Value] = {
        "owner_name": owner.owner_name,
        "owner_address": owner.owner_address,
        "hostname": config.hostname,
        "registrar_name": registrar_name or url.partition("://")[2].partition("/")[0],
        "registrar_url": url,
        "user_name": person or facts.name,
        "user_account": facts.name,
        "recipients_per_message": config.limits.recipients_per_message,
        "recipients_per_day": config.limits.recipients_per_day,
    }
    if facts.per_message is not None:
        values["user_recipients"] = facts.per_message
    if facts.per_day is not None:
        values["user_recipients_per_day"] = facts.per_day
    try:
        filled = fill(kind, current(kind), values)
    except TextError as error:
        fail(f"the agreement cannot be filled in: {error}", 1)
    lines = "\n".join(part.strip() for part in owner.owner_address.split(","))
    return agreement_pdf(
        filled,
        issuer=Party(owner.owner_name, lines),
        made_at=datetime.now(UTC),
        about=config.hostname,
        signatories=(owner.owner_name, person or facts.name),
    )
