"""countersign users list, show."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption
from countersign.cli.users_common import (
    NameArgument,
    Users,
    checked_name,
    console,
    shown_limit,
    shown_time,
    with_users,
)
from countersign.rules.submission import Account, Limits, is_name_stamped, limits_of

if TYPE_CHECKING:
    from countersign.gateway.config import Config
    from countersign.storage.submission.account_rows import Event, User
    from countersign.storage.submission.tables import Lock

_EVENTS = 20
_MANY = 1_000_000


def list_users(
    search: Annotated[str, typer.Argument(metavar="[TEXT]", help="Part of the names.")] = "",
    locked: Annotated[bool, typer.Option("--locked", help="Only locked accounts.")] = False,
    privileged: Annotated[bool, typer.Option("--privileged", help="Only privileged ones.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List users: recipients of the last 24 hours, limits, locks, privileges.

    Where others let users in (Dovecot, a directory; the MTA, with the milter), those are listed of
    whom something is stored here: who has sent, is locked, or has limits of his own.

    Example: countersign users list --locked
    """

    async def work(users: Users) -> None:
        now = time.time()
        stored = await users.all()
        used = {one.user: one.recipients for one in await users.tables.top(now, _MANY)}
        locks = {one.user: one for one in await users.tables.locks()}
        others = set() if users.knows_all else (used.keys() | locks.keys())
        table = Table(box=None)
        table.add_column("user", overflow="fold")
        for title in ("in 24 hours", "per day", "per message", "state"):
            table.add_column(title)
        for name in sorted(stored.keys() | others):
            user, lock = stored.get(name), locks.get(name)
            is_privileged = user is not None and user.privilege is not None
            if search.lower() not in name or (locked and lock is None):
                continue
            if privileged and not is_privileged:
                continue
            limits = _limits(users.config, name, user)
            counts = str(used.get(name, 0)), shown_limit(limits.per_day)
            states = ", ".join(_states(user, lock))
            table.add_row(name, *counts, shown_limit(limits.per_message), states)
        if not table.row_count:
            console.print("There is no such user." if stored else "There are no users.")
            return
        console.print(table)

    with_users(config, work)


def show_user(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show one user: what was sent today, limits, lock, privilege, and what was decided.

    Example: countersign users show alice
    """
    user = checked_name(name)

    async def work(users: Users) -> None:
        found = await users.must_exist(user)
        lock = await users.tables.lock_of(user)
        limits = _limits(users.config, user, found)
        used = await users.tables.used(user, time.time())
        facts = [
            ("user", user),
            ("state", ", ".join(_states(found, lock)) or "may send"),
            ("in 24 hours", f"{used} recipients of {shown_limit(limits.per_day)}"),
            ("per message", shown_limit(limits.per_message)),
            ("name on the stamp", _stamping(users.config, user, found)),
        ]
        if lock is not None:
            facts.append(("locked", _why_locked(lock)))
        if found is not None and found.privilege is not None:
            facts += await _privilege(users, found)
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for title, text in facts:
            grid.add_row(title, _plain(text))
        console.print(grid)
        _print_events(await users.accounts.events(user, _EVENTS))

    with_users(config, work)


def _account(name: str, user: User | None) -> Account:
    if user is None:
        return Account(name)
    is_privileged = user.privilege is not None
    return Account(name, is_privileged, user.per_message, user.per_day, user.stamps_name)


def _limits(config: Config, name: str, user: User | None) -> Limits:
    limits = config.limits
    defaults = Limits(limits.recipients_per_message, limits.recipients_per_day)
    return limits_of(_account(name, user), defaults)


def _states(user: User | None, lock: Lock | None) -> list[str]:
    states = []
    if lock is not None:
        states.append("locked" if lock.words or lock.reason == "administrator" else "locked: limit")
    if user is not None:
        if user.is_disabled:
            states.append("disabled")
        if user.privilege is not None:
            waits = "" if user.privilege.number else " (waits for the registrar)"
            states.append(f"privileged{waits}")
        if user.is_administrator:
            states.append("administrator")
    return states


def _why_locked(lock: Lock) -> str:
    since = f"since {shown_time(lock.since)}"
    if lock.reason == "administrator":
        return f"{since} by the administrator{f': {lock.words}' if lock.words else ''}"
    return (
        f"{since}: {lock.used} recipients in 24 hours, and {lock.wanted} more would pass "
        f"{lock.limit}"
    )


def _stamping(config: Config, name: str, user: User | None) -> str:
    account = _account(name, user)
    shown = "yes" if is_name_stamped(account, by_default=config.stamp.user) else "no"
    if account.is_privileged:
        return f"{shown}: never that of a privileged user"
    return shown if account.stamps_name is not None else f"{shown} (stamp.user)"


async def _privilege(users: Users, user: User) -> list[tuple[str, str]]:
    privilege = user.privilege
    assert privilege is not None
    paper = f", paper {privilege.paper_sha256}" if privilege.paper_sha256 else ""
    facts = [
        (
            "privileged",
            f"agreement {privilege.agreement_version} accepted on {privilege.accepted_on}{paper}",
        )
    ]
    state = f"registered with the number {privilege.number}"
    if privilege.number is None:
        state = "waits for the registrar"
        for order in await users.accounts.orders.waiting():
            if order.payload.get("identifier") == privilege.identifier and order.words:
                state += f": {order.words}; next try {shown_time(order.next_try)}"
    facts.append(("registrar", f"{state}, as {privilege.identifier}"))
    return facts


def _print_events(events: Any) -> None:
    table = Table("at", "what", "by", box=None)
    table.add_column(overflow="fold")
    event: Event
    for event in events:
        details = ", ".join(
            f"{name} {value}" for name, value in event.details.items() if value not in (None, "")
        )
        text = "; ".join(part for part in (event.words, details) if part)
        table.add_row(
            shown_time(event.at), event.kind.replace("-", " "), _plain(event.by), _plain(text)
        )
    if table.row_count:
        console.print("\nWhat was decided, the newest first:")
        console.print(table)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text("".join(one if one.isprintable() else " " for one in text))
