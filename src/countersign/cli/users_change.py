"""countersign users limit, stamp, disable, enable, administrator, lock, unlock."""

from __future__ import annotations

import time
from enum import StrEnum
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
    shown_limit,
    with_users,
)


class OnOff(StrEnum):
    """Yes or no."""

    ON = "on"
    OFF = "off"


class Stamping(StrEnum):
    """Whether a user's name is stamped."""

    ON = "on"
    OFF = "off"
    DEFAULT = "default"


LimitOption = Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Recipients.")]


def set_limits(
    name: NameArgument,
    *,
    per_message: LimitOption = None,
    per_day: LimitOption = None,
    default: Annotated[
        bool, typer.Option("--default", help="Take both back: what the configuration says.")
    ] = False,
    reason: ReasonOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Give a user limits of his own. In force with the next message.

    A privileged user has none but these.

    Examples:
    countersign users limit alice --per-day 1000

    countersign users limit alice --default
    """
    user = checked_name(name)
    if default == (per_message is not None or per_day is not None):
        fail("give --per-message, --per-day or both; or --default")

    async def work(users: Users) -> None:
        found = await users.must_exist(user)
        message, day = per_message, per_day
        if not default and found is not None:
            message = per_message if per_message is not None else found.per_message
            day = per_day if per_day is not None else found.per_day
        await users.accounts.set_limits(user, message, day, deed(reason))
        facts = await users.accounts.facts(user)
        none = "no limit" if facts.is_privileged else "the default"
        shown = [shown_limit(one) if one is not None else none for one in (message, day)]
        console.print(f"{user}: {shown[0]} per message, {shown[1]} per day.", markup=False)
        await users.hint_at_lock(user)
        users.hint_at_farm()

    with_users(config, work)


def set_stamping(
    name: NameArgument, stamping: Stamping, config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Put a user's name on the tracking stamp, or not. That of a privileged user never is.

    Example: countersign users stamp alice on
    """
    user = checked_name(name)
    stamps = {Stamping.ON: True, Stamping.OFF: False, Stamping.DEFAULT: None}[stamping]

    async def work(users: Users) -> None:
        await users.must_exist(user)
        await users.accounts.set_stamping(user, stamps, deed())
        if (await users.accounts.facts(user)).is_privileged:
            console.print("Noted; but the name of a privileged user is never stamped.")
        else:
            how = {True: "is stamped", False: "is not stamped", None: "follows stamp.user"}[stamps]
            console.print(f"{user}: the name {how}.", markup=False)
        users.hint_at_farm()

    with_users(config, work)


def disable_user(
    name: NameArgument, reason: ReasonOption = "", config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Let a user not sign in any more, until `enable`."""
    _set_disabled(name, True, reason, config)


def enable_user(
    name: NameArgument, reason: ReasonOption = "", config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Let a user sign in again."""
    _set_disabled(name, False, reason, config)


def set_administrator(
    name: NameArgument, may: OnOff, config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Say whether a user may see the administrator's page (pages.listen).

    Example: countersign users administrator alice on
    """
    user = checked_name(name)

    async def work(users: Users) -> None:
        await users.must_exist(user, to_sign_in=True)
        await users.accounts.set_administrator(user, may is OnOff.ON, deed())
        words = "may" if may is OnOff.ON else "may not"
        console.print(f"{user} {words} see the administrator's page.", markup=False)
        users.hint_at_farm()

    with_users(config, work)


def lock_user(
    name: NameArgument, reason: ReasonOption, config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Let a user send nothing until `unlock`. The user can still sign in, and see that it is so.

    The reason is for administrators: it is not shown to the user.

    Example: countersign users lock alice --reason "The password is known to others"
    """
    user = checked_name(name)

    async def work(users: Users) -> None:
        from countersign.storage.submission.account_rows import EventKind
        from countersign.storage.submission.tables import Lock, LockReason

        await users.must_exist(user)
        lock = Lock(user, LockReason.ADMINISTRATOR, time.time(), words=reason)
        if not await users.tables.lock(lock):
            fail(f"{user} is locked already", 1)
        await users.accounts.record(user, EventKind.LOCKED, deed(reason))
        console.print(f"{user} is locked.", markup=False)

    with_users(config, work)


def unlock_user(
    name: NameArgument,
    *,
    keep_count: Annotated[
        bool,
        typer.Option("--keep-count", help="What was sent today still counts: may lock again."),
    ] = False,
    reason: ReasonOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Let a locked user send again.

    Give a new password first if somebody else has sent: countersign users password NAME

    Example: countersign users unlock alice
    """
    user = checked_name(name)

    async def work(users: Users) -> None:
        from countersign.storage.submission.account_rows import EventKind

        if not await users.tables.unlock(user, forget=not keep_count, now=time.time()):
            fail(f"{user} is not locked", 1)
        details = {"count_kept": keep_count}
        await users.accounts.record(user, EventKind.UNLOCKED, deed(reason), details)
        console.print(f"{user} may send again.", markup=False)

    with_users(config, work)


def _set_disabled(name: str, is_disabled: bool, reason: str, config: ConfigOption) -> None:
    user = checked_name(name)

    async def work(users: Users) -> None:
        if not users.keeps_passwords:
            source = users.config.sign_in.source
            fail(f"who may sign in is decided by {source}; `users lock` stops the mail of one", 1)
        await users.must_exist(user)
        await users.accounts.set_disabled(user, is_disabled, deed(reason))
        console.print(f"{user} {'cannot' if is_disabled else 'can'} sign in.", markup=False)
        users.hint_at_farm()

    with_users(config, work)
