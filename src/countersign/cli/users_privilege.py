"""countersign users privilege, revoke: told to the registrar as soon as it can be."""

from __future__ import annotations

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail
from countersign.cli.users_agreement import (
    AcceptedOption,
    PaperOption,
    VersionOption,
    checked_version,
)
from countersign.cli.users_common import (
    NameArgument,
    ReasonOption,
    Users,
    checked_day,
    checked_name,
    console,
    deed,
    paper_digest,
    shown_time,
    with_users,
)

# Not granted there again: the registrar would have the same user twice.
_EXPORT = (
    "Once the registrar knows of it: countersign users export here, and countersign users import "
    "--replace there."
)


def grant_privilege(
    name: NameArgument,
    *,
    accepted: AcceptedOption,
    paper: PaperOption = None,
    version: VersionOption = "",
    reason: ReasonOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Let a user send without the limits, once the agreement is signed. In force at once.

    The registrar is told, by a random number and not by name; if it is away, as soon as it is
    back. Print the agreement with `countersign users agreement NAME --privileged -o FILE`, and
    give limits of its own with `countersign users limit NAME`.

    Example: countersign users privilege alice --accepted 2026-03-31 --paper signed.pdf
    """
    user = checked_name(name)
    day, digest = checked_day(accepted, "--accepted"), paper_digest(paper)

    async def work(users: Users) -> None:
        import secrets

        from countersign.registrar.documents.text import Kind
        from countersign.storage.submission.account_rows import Privilege

        await users.must_exist(user)
        privilege = Privilege(
            identifier=secrets.token_hex(12),
            accepted_on=day.isoformat(),
            agreement_version=checked_version(Kind.PRIVILEGED_USER_AGREEMENT, version),
            paper_sha256=digest,
        )
        await users.accounts.grant(user, privilege, deed(reason))
        console.print(f"{user} is privileged.", markup=False)
        why = await deliver(users)
        found = await users.accounts.find(user)
        if found is None or found.privilege is None:
            # The registrar's words are in the record.
            [event] = await users.accounts.events(user, 1)
            fail(f"the registrar refuses, and the privilege has ended: {event.words}", 1)
        if found.privilege.number is not None:
            console.print(f"Registered with the number {found.privilege.number}.")
        else:
            console.print(
                f"The registration waits: {why or 'another process tells it'}.", markup=False
            )
        await users.hint_at_lock(user)
        users.hint_at_farm(_EXPORT)

    with_users(config, work)


def revoke_privilege(
    name: NameArgument, reason: ReasonOption = "", config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """End a user's privilege at once: the default limits hold, and the registrar is told.

    Example: countersign users revoke alice --reason "Left the newsletter team"
    """
    user = checked_name(name)

    async def work(users: Users) -> None:
        await users.accounts.revoke(user, deed(reason))
        console.print(f"{user} is not privileged any more; the default limits hold.", markup=False)
        if why := await deliver(users):
            console.print(f"The registrar is told later: {why}.", markup=False)
        users.hint_at_farm(_EXPORT)

    with_users(config, work)


async def deliver(users: Users) -> str:
    """Tell the registrar what waits, now; return why something still waits, or nothing."""
    from countersign.gateway.registrar_link.client import RegistrarClient
    from countersign.gateway.registrar_link.courier import Courier
    from countersign.gateway.registrar_link.errors import NotLinkedError

    if not await users.accounts.orders.waiting(1):
        return ""
    try:
        async with RegistrarClient(users.config.registrar, users.config.hostname) as registrar:
            courier = Courier(users.accounts, registrar)
            await courier.deliver_due()
    except NotLinkedError as error:
        return str(error)
    return courier.trouble or await _earlier_trouble(users)


async def _earlier_trouble(users: Users) -> str:
    """Return why something waits that was not to be tried yet."""
    for order in await users.accounts.orders.waiting():
        if order.words:
            return f"{order.words}; next try {shown_time(order.next_try)}"
    return ""
