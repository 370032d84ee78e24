"""Compare applicants with all known offenders: numbers by index, names in one sweep (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz, process
from sqlalchemy import select

from countersign.registrar.operations.office import Work
from countersign.registrar.particulars.draft import Particulars
from countersign.registrar.particulars.extracts import Subject, subjects
from countersign.rules.screening import (
    ADDRESS_POINTS,
    BIRTH_DATE_POINTS,
    NAME_WEIGHT,
    NAME_WITHOUT_DATE,
    Identity,
    Level,
    Match,
    compare,
    fold_name,
)
from countersign.storage.database.screening import Offender, OffenderNumber

_AT_ONCE = 5000
MOST_MATCHES = 50
"""Matches that are kept of one screening, the likeliest."""
_MOST = 1000
"""Likely matches that are looked at for one person: a name can be very common."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """An offender whom somebody in an application may be."""

    subject: str
    """Who in the application, e.g. 'owner', 'director-1'."""
    match: Match


def find_likenesses(work: Work, particulars: Particulars) -> list[Likeness]:
    """Return everybody in an application who is, or may be, a known offender.

    Reads only, and goes through all offenders: best outside a transaction that writes.
    """
    people = [(subject, identity_of(work, subject)) for subject in subjects(particulars)]
    found = list(_by_number(work, people))
    known = {(likeness.subject, likeness.match.offender_id) for likeness in found}
    found += [
        likeness
        for likeness in _by_name(work, people)
        if (likeness.subject, likeness.match.offender_id) not in known
    ]
    return found


def describe(likenesses: Sequence[Likeness], review: int) -> list[dict[str, Any]]:
    """Return what is kept of likenesses, the likeliest first; see `ScreeningRecord.matches`."""
    shown = [one for one in likenesses if one.match.exact or one.match.score >= review]
    shown.sort(key=lambda one: (not one.match.exact, -one.match.score, one.match.offender_id))
    return [
        {
            "offender": one.match.offender_id,
            "subject": one.subject,
            "level": str(one.match.level),
            "score": one.match.score,
            "exact": one.match.exact,
            "reasons": list(one.match.reasons),
        }
        for one in shown[:MOST_MATCHES]
    ]


def identity_of(work: Work, subject: Subject) -> Identity:
    """Return what is compared of somebody in an application."""
    digests = (
        work.keyring.digest_number(number.kind, number.country, number.number)
        for number in subject.numbers
        if number.number
    )
    return Identity(subject.name, subject.birth_date, subject.address, frozenset(digests))


def offenders_with(work: Work, digests: Iterable[str]) -> dict[int, tuple[Level, frozenset[str]]]:
    """Return the offenders that have one of some numbers: level, and which numbers."""
    rows = work.session.execute(
        select(Offender.id, Offender.level, OffenderNumber.digest)
        .join(Offender, Offender.id == OffenderNumber.offender_id)
        .where(OffenderNumber.digest.in_(sorted(set(digests))), Offender.withdrawn_at.is_(None))
    )
    found: dict[int, tuple[Level, frozenset[str]]] = {}
    for offender_id, level, digest in rows:
        _, others = found.get(offender_id, (level, frozenset()))
        found[offender_id] = (level, others | {digest})
    return found


def _by_number(work: Work, people: list[tuple[Subject, Identity]]) -> Iterator[Likeness]:
    offenders = offenders_with(
        work, (digest for _, identity in people for digest in identity.number_digests)
    )
    for subject, identity in people:
        for offender_id, (level, digests) in offenders.items():
            if identity.number_digests & digests:
                match = compare(identity, Identity("", number_digests=digests), offender_id, level)
                yield Likeness(subject.role, match)


def _by_name(work: Work, people: list[tuple[Subject, Identity]]) -> Iterator[Likeness]:
    review = work.config.screening.review_score
    wanted = [
        (subject, identity, fold_name(identity.name), _least_name_score(identity, review))
        for subject, identity in people
    ]
    rows = work.session.execute(
        select(
            Offender.id,
            Offender.level,
            Offender.name_key,
            Offender.birth_date,
            Offender.address_key,
        )
        .where(Offender.withdrawn_at.is_(None))
        .order_by(Offender.id),
        execution_options={"yield_per": _AT_ONCE},
    )
    for batch in rows.partitions():
        names = [row.name_key for row in batch]
        for subject, identity, name, least in wanted:
            # The keys are folded and in one order already: plain likeness, in C, is enough.
            for _, _, position in process.extract(
                name, names, scorer=fuzz.ratio, score_cutoff=least, limit=_MOST
            ):
                row = batch[position]
                offender = Identity(row.name_key, row.birth_date, row.address_key)
                match = compare(identity, offender, row.id, row.level)
                if match.score >= review:
                    yield Likeness(subject.role, match)


def _least_name_score(identity: Identity, review: int) -> float:
    """Return how alike a name must at least be for all together to be worth a look."""
    # Rounding may have raised the sum by half a point.
    wanted = review - 0.5 - ADDRESS_POINTS * bool(identity.address)
    # Nobody knows yet whether the offender's birth date is known.
    least = wanted / NAME_WITHOUT_DATE
    if identity.birth_date:
        least = min(least, (wanted - BIRTH_DATE_POINTS) / NAME_WEIGHT)
    return max(0.0, min(100.0, least))
