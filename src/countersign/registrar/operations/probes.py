"""Probes: invited, enrolled by a key of their own, revoked (DESIGN §8).

The list of probes is private: what is recorded of one names it to staff only.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import secrets

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError

from countersign.certification.signing import public_text, read_public
from countersign.registrar.operations.access import require
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.operations.probe_orders import end_orders_of
from countersign.registrar.operations.tokens import token_digest
from countersign.rules.access import Permission
from countersign.rules.roles import Role
from countersign.storage.database.probing import Probe

MOST_PROBES = 1000
"""At one time."""
INVITATION_DAYS = 7
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z")
_MOST_AS_NUMBER = 2**32 - 1
_PROBE = Actor(Role.PROBE)
_BAD_TOKEN = "This invitation is not good, or is too old: ask the registrar for a new one."  # noqa: S105


def invite(
    work: Work,
    actor: Actor,
    *,
    name: str,
    network: str,
    as_number: int | None = None,
    place: str = "",
) -> tuple[Probe, str]:
    """Invite a probe, and return it with its one-time token: good 7 days, and shown only now.

    network: the range that it stands in, CIDR notation. place: where it is, for staff. Raises
    :class:`OperationError`, :class:`ForbiddenError`.
    """
    _check_may_manage(actor)
    plain = name.strip().lower()
    if not _NAME.match(plain):
        raise OperationError(
            "Give it a name of at most 40 lower-case letters, digits and hyphens, for instance "
            "'probe-1'."
        )
    if len(place) > 255 or not place.isprintable():
        raise OperationError("Say in one line of at most 255 characters where it is.")
    if len(current(work)) >= MOST_PROBES:
        raise OperationError(f"There are {MOST_PROBES} probes: revoke one first.")
    token = secrets.token_urlsafe(32)
    probe = Probe(
        name=plain,
        network=normalise_network(network),
        as_number=_checked_as_number(as_number),
        place=place.strip(),
        invited_at=work.now,
        token_digest=token_digest(token),
        token_ends_at=work.now + datetime.timedelta(days=INVITATION_DAYS),
    )
    work.session.add(probe)
    try:
        work.session.flush()
    except IntegrityError:
        raise OperationError(
            f"There is a probe with the name {plain}: choose another name, or revoke that one."
        ) from None
    _record(work, actor, "probe invited", probe)
    return probe, token


def enrol(
    work: Work,
    *,
    token: str,
    public_key: str,
    network: str,
    as_number: int | None,
    version: str,
) -> Probe:
    """Let a probe that was invited in with its key: 32 octets of Ed25519 in base 64.

    It says itself where it stands, so that a token that went astray is no use elsewhere by
    mistake. The same token with the same key may be sent again: an answer may get lost. Raises
    :class:`OperationError`, and :class:`NotFoundError` for a token that is not good.
    """
    probe = work.session.scalar(select(Probe).where(Probe.token_digest == token_digest(token)))
    if probe is not None:
        hold(work, probe)
    if probe is None or probe.revoked_at is not None or not _is_timely(work, probe):
        raise NotFoundError(_BAD_TOKEN)
    key = _checked_key(work, probe, public_key)
    if normalise_network(network) != probe.network or as_number != probe.as_number:
        raise OperationError(
            "This is not the network or AS number that the invitation is for: set those that the "
            "registrar was told, or ask for another invitation."
        )
    probe.version = _checked_version(version)
    if probe.enrolled_at is None:
        probe.public_key, probe.enrolled_at, probe.seen_at = key, work.now, work.now
        _record(work, _PROBE, "probe enrolled", probe)
    return probe


def _is_timely(work: Work, probe: Probe) -> bool:
    return probe.token_ends_at is not None and probe.token_ends_at > work.now


def _checked_key(work: Work, probe: Probe, public_key: str) -> str:
    try:
        key = public_text(read_public(public_key))
    except ValueError:
        raise OperationError("The public key must be 32 octets of Ed25519 in base 64.") from None
    if probe.enrolled_at is not None and probe.public_key != key:
        raise NotFoundError(_BAD_TOKEN)
    others = select(Probe.id).where(
        Probe.public_key == key, Probe.id != probe.id, Probe.revoked_at.is_(None)
    )
    if work.session.scalar(others.limit(1)) is not None:
        raise OperationError("Another probe has this key: each must make one of its own.")
    return key


def revoke(work: Work, actor: Actor, probe: Probe) -> None:
    """Take a probe out: its key and its orders end at once, and their runs go on without it.

    Raises :class:`NotFoundError` if that was done before.
    """
    _check_may_manage(actor)
    hold(work, probe)
    if probe.revoked_at is not None:
        raise NotFoundError("There is no such probe.")
    probe.revoked_at, probe.token_digest = work.now, None
    ended = end_orders_of(work, probe)
    _record(work, actor, "probe revoked", probe, orders_ended=ended)


def current(work: Work) -> list[Probe]:
    """Return all probes that were not revoked, whether or not they are enrolled, by name."""
    return list(
        work.session.scalars(
            select(Probe).where(Probe.revoked_at.is_(None)).order_by(Probe.name, Probe.id)
        )
    )


def look_at(work: Work, actor: Actor, probe_id: int) -> Probe:
    """Return a probe that was not revoked. Raises :class:`NotFoundError`."""
    if actor != SYSTEM:
        require(actor, Permission.SEE_PROBES)
    probe = work.session.get(Probe, probe_id)
    if probe is None or probe.revoked_at is not None:
        raise NotFoundError("There is no such probe.")
    return probe


def find(work: Work, name: str) -> Probe | None:
    """Return the probe of a name that was not revoked; None: there is none."""
    query = select(Probe).where(Probe.name == name.strip().lower()[:64])
    return work.session.scalar(query.where(Probe.revoked_at.is_(None)))


def enrolled(work: Work, probe_id: int) -> Probe | None:
    """Return a probe that may ask for orders; None: there is none of this key now."""
    probe = work.session.get(Probe, probe_id)
    if probe is None or probe.enrolled_at is None or probe.revoked_at is not None:
        return None
    return probe


def count_silent(work: Work, since: datetime.datetime) -> int:
    """Return how many enrolled probes have not asked for work since a moment."""
    silent = or_(Probe.seen_at.is_(None), Probe.seen_at < since)
    query = select(func.count()).where(
        Probe.enrolled_at.is_not(None), Probe.revoked_at.is_(None), silent
    )
    return work.session.scalar(query) or 0


def normalise_network(network: str) -> str:
    """Return a range in its one form. Raises :class:`OperationError`."""
    try:
        return str(ipaddress.ip_network(network.strip()))
    except ValueError:
        raise OperationError(
            "Give the network as a range in CIDR notation, for instance 192.0.2.0/24."
        ) from None


def _checked_as_number(as_number: int | None) -> int | None:
    if as_number is not None and not 1 <= as_number <= _MOST_AS_NUMBER:
        raise OperationError(f"An AS number is between 1 and {_MOST_AS_NUMBER}.")
    return as_number


def _checked_version(version: str) -> str:
    if len(version) > 64 or not version.isprintable():
        raise OperationError("The version is a text of at most 64 characters.")
    return version


def _check_may_manage(actor: Actor) -> None:
    if actor != SYSTEM:
        require(actor, Permission.MANAGE_PROBES)


def _record(work: Work, actor: Actor, what: str, probe: Probe, **details: int) -> None:
    work.record(
        actor,
        what,
        f"probe:{probe.id}",
        name=probe.name,
        network=probe.network,
        as_number=probe.as_number,
        **details,
    )
