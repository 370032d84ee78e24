"""Sponsors: trusted servers that vouch for a new one in place of its bond (DESIGN §6).

What a sponsor risks is written in its undertaking; it accepts the version that it saw.
"""

from __future__ import annotations

import datetime

from sqlalchemy import select

from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registrar.documents.text import Filled, Kind, current, fill
from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations.access import require
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import notify_of_event, order_mail
from countersign.registrar.operations.offers import review, try_activate
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    NotFoundError,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.operations.parties import common_values, owner_party
from countersign.registrar.operations.sponsor_terms import end, tell_decision
from countersign.registrar.operations.transitions import add_event
from countersign.registrar.operations.trust import (
    Vouching,
    live_sponsorships,
    may_vouch,
    sponsors_can_help,
)
from countersign.rules.access import Permission
from countersign.rules.bond import sponsor_share
from countersign.rules.life_cycle import State
from countersign.storage.database.promises import Sponsorship, SponsorshipState
from countersign.storage.database.servers import Server

_APPLYING = frozenset({State.SUBMITTED, State.SCREENED, State.TESTED, State.OFFERED})
_MAY_ASK = _APPLYING | {State.ACTIVE}


def ask(work: Work, actor: Actor, server: Server, hostname: str) -> Sponsorship:
    """Ask the owner of a trusted server to vouch for another.

    While it is applied for, and later when a bond is asked because too few sponsors are left.
    Raises :class:`OperationError` with what stands against it.
    """
    require(actor, Permission.ASK_SPONSORS)
    hold(work, server)
    _check_need(work, server)
    sponsor = _trusted_server(work, server, hostname)
    asked = work.session.scalars(
        select(Sponsorship.sponsor_id).where(Sponsorship.server_id == server.id)
    ).all()
    if sponsor.id in asked:
        raise OperationError(f"{sponsor.hostname} has been asked already.")
    if len(asked) >= work.config.money.sponsor_requests:
        raise OperationError(f"No more than {len(asked)} sponsors may be asked for one server.")
    schedule = work.config.money.schedule()
    sponsorship = Sponsorship(
        server_id=server.id,
        sponsor_id=sponsor.id,
        state=SponsorshipState.ASKED,
        share=sponsor_share(schedule, schedule.sponsors),
        currency=work.config.money.currency,
        asked_at=work.now,
    )
    work.session.add(sponsorship)
    add_event(work, server, Happening.SPONSOR_ASKED, actor, details={"sponsor": sponsor.hostname})
    order_mail(
        work,
        "sponsor-asked",
        sponsor.owner_id,
        unique=str(sponsorship.id),
        sponsorship=sponsorship.id,
    )
    return sponsorship


def undertaking(work: Work, sponsorship: Sponsorship) -> Filled:
    """Return the text that a sponsor accepts, with all that it risks filled in."""
    server = work.session.get_one(Server, sponsorship.server_id)
    sponsor = work.session.get_one(Server, sponsorship.sponsor_id)
    money = work.config.money
    values = common_values(work) | {
        "sponsor_name": owner_party(work, sponsor).name,
        "sponsor_hostname": sponsor.hostname,
        "owner_name": owner_party(work, server).name,
        "hostname": server.hostname,
        "bond": format_amount(money.bond, money.currency),
        "share": format_amount(sponsorship.share, sponsorship.currency),
    }
    return fill(Kind.SPONSOR_UNDERTAKING, current(Kind.SPONSOR_UNDERTAKING), values)


def accept(work: Work, actor: Actor, sponsorship: Sponsorship, version: str, seen: str) -> None:
    """Vouch for a server. version, seen: of the undertaking that was read, and its SHA-256.

    Raises :class:`ConflictError` if it has been decided, or the text changed, in the meantime.
    """
    one, server = _for_sponsor(work, actor, sponsorship)
    _check_asked(sponsorship)
    _check_need(work, server)
    if not may_vouch(work, one.sponsor):
        raise OperationError(f"{one.sponsor.hostname} is not trusted now: it cannot vouch.")
    most = work.config.money.sponsorships
    if live_sponsorships(work, one.sponsor) >= most:
        raise OperationError(f"{one.sponsor.hostname} vouches for {most} servers: no more may be.")
    text = undertaking(work, sponsorship)
    if (text.text.version, text.sha256) != (version, seen):
        raise ConflictError("The undertaking has changed since you read it: read it again.")
    sponsorship.undertaking_version, sponsorship.undertaking_hash = version, seen
    sponsorship.state, sponsorship.accepted_at = SponsorshipState.ACCEPTED, work.now
    sponsorship.decided_by = actor.account_id
    details = {
        "sponsorship": sponsorship.id,
        "sponsor": one.sponsor.hostname,
        "server": server.hostname,
        "share": sponsorship.share,
        "currency": sponsorship.currency,
        "undertaking": version,
        "sha256": seen,
    }
    add_event(work, server, Happening.SPONSOR_ACCEPTED, actor, details=details)
    add_event(work, one.sponsor, Happening.VOUCHED, actor, details=details)
    tell_decision(work, server, one)
    try_activate(work, server)


def decline(work: Work, actor: Actor, sponsorship: Sponsorship) -> None:
    """Refuse to vouch for a server."""
    one, server = _for_sponsor(work, actor, sponsorship)
    _check_asked(sponsorship)
    sponsorship.state, sponsorship.decided_by = SponsorshipState.DECLINED, actor.account_id
    details = {"sponsorship": sponsorship.id, "sponsor": one.sponsor.hostname}
    add_event(work, server, Happening.SPONSOR_DECLINED, actor, details=details)
    tell_decision(work, server, one)


def give_notice(work: Work, actor: Actor, sponsorship: Sponsorship) -> None:
    """Take an undertaking back: at once while the server is not active yet, later with notice."""
    one, server = _for_sponsor(work, actor, sponsorship)
    if sponsorship.state is not SponsorshipState.ACCEPTED:
        raise ConflictError("There is no undertaking to take back.")
    if sponsorship.notice_at is not None:
        raise OperationError("Notice has been given already.")
    sponsorship.decided_by = actor.account_id
    if server.active_since is None:
        end(work, server, one, "The sponsor has taken it back.", actor)
    else:
        sponsorship.notice_at = work.now
        ends = work.today + datetime.timedelta(days=work.config.money.notice_days)
        event = add_event(
            work,
            server,
            Happening.SPONSOR_NOTICE,
            actor,
            reason=f"{one.sponsor.hostname} vouches until {ends}, or until it is replaced.",
            details={"sponsorship": sponsorship.id, "sponsor": one.sponsor.hostname},
        )
        notify_of_event(work, server, event)
    review(work, server)


def withdraw_request(work: Work, actor: Actor, sponsorship: Sponsorship) -> None:
    """Take back the question whether somebody will vouch, while it is not answered."""
    require(actor, Permission.ASK_SPONSORS)
    server = work.session.get_one(Server, sponsorship.server_id)
    hold(work, server)
    hold(work, sponsorship)
    _check_asked(sponsorship)
    sponsor = work.session.get_one(Server, sponsorship.sponsor_id)
    end(work, server, Vouching(sponsorship, sponsor), "The request was withdrawn.", actor)


def for_sponsor(work: Work, actor: Actor, sponsorship_id: int) -> tuple[Sponsorship, Server]:
    """Return a sponsorship, and the server that it is for, to the owner of the sponsor.

    Raises :class:`NotFoundError` for everybody else, as if there were none.
    """
    sponsorship = work.session.get(Sponsorship, sponsorship_id)
    if sponsorship is None:
        raise NotFoundError("There is no such sponsorship.")
    _check_owner(work, actor, sponsorship)
    return sponsorship, work.session.get_one(Server, sponsorship.server_id)


def _check_owner(work: Work, actor: Actor, sponsorship: Sponsorship) -> Server:
    require(actor, Permission.VOUCH)
    sponsor = work.session.get_one(Server, sponsorship.sponsor_id)
    if sponsor.owner_id != account_of(actor):
        raise NotFoundError("There is no such sponsorship.")
    return sponsor


def _for_sponsor(work: Work, actor: Actor, sponsorship: Sponsorship) -> tuple[Vouching, Server]:
    sponsor = _check_owner(work, actor, sponsorship)
    server = work.session.get_one(Server, sponsorship.server_id)
    for row in sorted((sponsor, server), key=lambda one: one.id):
        hold(work, row)
    hold(work, sponsorship)
    return Vouching(sponsorship, sponsor), server


def _check_asked(sponsorship: Sponsorship) -> None:
    if sponsorship.state is not SponsorshipState.ASKED:
        raise ConflictError(f"This has been decided already: {sponsorship.state}.")


def _check_need(work: Work, server: Server) -> None:
    if server.state not in _MAY_ASK:
        raise OperationError(f"Nobody can vouch for a server that is {server.state}.")
    if not sponsors_can_help(work, server):
        raise OperationError(
            "Sponsors would change nothing: the domain is old enough, or there is a history "
            "that sponsors do not outweigh."
        )
    held = bond_held(work, server.id, server.bond_currency)
    if server.active_since is not None and held >= server.bond_due:
        raise OperationError("No bond is asked of the server: it needs no further sponsor.")


def _trusted_server(work: Work, server: Server, hostname: str) -> Server:
    try:
        name = normalise_hostname(hostname.strip())
    except AddressSyntaxError as error:
        raise OperationError(f"This is no host name: {error}.") from None
    sponsor = work.session.scalar(
        select(Server).where(Server.hostname == name, Server.state == State.ACTIVE)
    )
    if sponsor is None:
        raise NotFoundError(f"There is no active registered server {name}.")
    if sponsor.owner_id == server.owner_id:
        raise OperationError("Nobody can vouch for himself: this server has the same owner.")
    if not may_vouch(work, sponsor):
        months = work.config.money.trusted_months
        raise OperationError(
            f"{sponsor.hostname} is not trusted: it has not been active for {months} months "
            "without an offence."
        )
    return sponsor
