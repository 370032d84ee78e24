"""countersign users remove: what goes with a user, and what stays."""

from __future__ import annotations

import time
from shlex import quote
from typing import Annotated

import typer

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail
from countersign.cli.users_common import (
    NameArgument,
    ReasonOption,
    Users,
    checked_name,
    console,
    deed,
    with_users,
)


def remove_user(
    name: NameArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    reason: ReasonOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Remove a user. The record of what was decided stays, and what the journal says of mail.

    A privilege ends with the user, and the registrar is told. A lock that an administrator has
    made stays with the name. Where the password is kept elsewhere, or the MTA checks it (milter),
    or another host of the farm has the user too, mail can still be sent by that name: nothing is
    unlocked, and `users lock` is what stops it.
    """
    user = checked_name(name)

    async def work(users: Users) -> None:
        if await users.accounts.find(user) is None:
            fail(_nobody(users, user), 1)
        if not yes:
            typer.confirm(f"Remove {user}?", abort=True)
        await users.accounts.remove(user, deed(reason))
        await _say_what_stays(users, user)
        users.hint_at_farm("Remove the user there too.")
        from countersign.cli.users_privilege import deliver

        await deliver(users)

    with_users(config, work)


def _nobody(users: Users, user: str) -> str:
    if users.knows_all:
        return f"there is no user {user}"
    where = "the MTA" if users.keeps_passwords else users.config.sign_in.source
    return (
        f"nothing is stored here of {user}; whoever has a password at {where} may send, "
        "unless locked: "
        f'countersign users lock {quote(user)} --reason "…"'
    )


async def _say_what_stays(users: Users, user: str) -> None:
    """Free the name for the next who is given it; but only where nobody can go on sending by it."""
    from countersign.storage.submission.tables import LockReason

    config = users.config
    is_elsewhere = not users.knows_all
    words = "What was stored here of {} is removed." if is_elsewhere else "{} is removed."
    console.print(words.format(user), markup=False)
    lock = await users.tables.lock_of(user)
    if lock is None and is_elsewhere:
        where = "the MTA" if users.keeps_passwords else config.sign_in.source
        console.print(
            f"The password is not kept here: as long as {where} takes it, {user} can send, within "
            f'the default limits. To stop that: countersign users lock {quote(user)} --reason "…"',
            markup=False,
        )
    elif lock is not None and (
        is_elsewhere or config.storage.url or lock.reason is LockReason.ADMINISTRATOR
    ):
        console.print(
            f"The lock stays with the name: countersign users unlock {quote(user)}", markup=False
        )
    elif not is_elsewhere and not config.storage.url:
        await users.tables.unlock(user, forget=True, now=time.time())
