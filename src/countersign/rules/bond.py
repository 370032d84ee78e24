"""What a server must pay, and who is trusted (DESIGN §6; proposal, 'security bond'). Pure.

Amounts are integers in the currency's minor unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from dateutil.relativedelta import relativedelta


@dataclass(frozen=True, slots=True)
class Schedule:
    """The registrar's figures; see `Money` in its configuration."""

    bond: int = 250_000
    yearly_fee: int = 12_000
    young_domain_months: int = 12
    sponsors: int = 3
    trusted_months: int = 12
    repeat_multiplier: int = 2
    match_multiplier: int = 3
    largest_multiplier: int = 64


@dataclass(frozen=True, slots=True)
class BondDue:
    """The bond of one server, and why it is so much."""

    amount: int
    reasons: tuple[str, ...]


def is_trusted(
    *, active_since: date | None, last_offence: date | None, today: date, schedule: Schedule
) -> bool:
    """Return whether a server may sponsor others: active long enough, and no offence.

    An offence weighs as long as a new server must wait: so `last_offence` counts too when the
    server itself did nothing but vouch for one that spammed.
    """
    if active_since is None:
        return False
    since = max(active_since, last_offence) if last_offence else active_since
    return since + relativedelta(months=schedule.trusted_months) <= today


def is_young(registered_on: date | None, today: date, schedule: Schedule) -> bool:
    """Return whether a domain is too young to do without a bond; an unknown age is young."""
    if registered_on is None:
        return True
    return registered_on + relativedelta(months=schedule.young_domain_months) > today


def bond_due(
    *,
    domain_registered_on: date | None,
    trusted_sponsors: int,
    matched_offender: bool,
    offences: int,
    today: date,
    schedule: Schedule,
) -> BondDue:
    """Return the bond that must be held for a server before it may send.

    A bond is due for a young domain with too few trusted sponsors, and for everybody with a
    history: neither age nor sponsors outweigh an offence.
    """
    reasons: list[str] = []
    multiplier = 1
    if matched_offender:
        multiplier *= schedule.match_multiplier
        reasons.append(f"known offender among the applicants: {schedule.match_multiplier} times")
    if offences > 0:
        factor = min(schedule.repeat_multiplier**offences, schedule.largest_multiplier)
        multiplier *= factor
        reasons.append(f"offences on record: {offences}, therefore {factor} times")
    multiplier = min(multiplier, schedule.largest_multiplier)
    if reasons:
        return BondDue(schedule.bond * multiplier, tuple(reasons))
    return _bond_without_history(domain_registered_on, trusted_sponsors, today, schedule)


def _bond_without_history(
    registered_on: date | None, sponsors: int, today: date, schedule: Schedule
) -> BondDue:
    months = schedule.young_domain_months
    if not is_young(registered_on, today, schedule):
        return BondDue(0, (f"no bond: the domain is older than {months} months",))
    if sponsors >= schedule.sponsors:
        return BondDue(0, (f"no bond: vouched for by {sponsors} trusted servers",))
    age = "of unknown age" if registered_on is None else f"younger than {months} months"
    return BondDue(
        schedule.bond,
        (f"the domain is {age}", f"trusted sponsors: {sponsors} of {schedule.sponsors}"),
    )


def sponsor_share(schedule: Schedule, sponsors: int) -> int:
    """Return what one of a server's sponsors owes if that server is found to have spammed.

    The sponsors together stand in for the bond that was not asked for; rounded up, so that
    the shares are never less than the bond.
    """
    return -(-schedule.bond // max(sponsors, 1))
