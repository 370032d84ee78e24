"""Look for known offenders by name, birth date or number: for staff; each search is recorded."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz import fuzz, process
from sqlalchemy import select

from countersign.registrar.operations.access import require
from countersign.registrar.operations.likeness import offenders_with
from countersign.registrar.operations.offenders import MAX_NAME, GivenNumber, digests_of
from countersign.registrar.operations.office import Actor, Office, OperationError, Work
from countersign.registrar.particulars.numbers import MAX_NUMBER
from countersign.registrar.particulars.text import clean_text
from countersign.rules.access import Permission
from countersign.rules.screening import fold_name
from countersign.storage.database.screening import Offender

LEAST_SCORE = 60
"""Names that are less alike, of 100, are not shown."""
MOST_FOUND = 50
_AT_ONCE = 5000


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """Who is looked for: by one of these at least."""

    name: str = ""
    birth_date: datetime.date | None = None
    number: GivenNumber | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """An offender who may be meant. Who it is shows only the record, when it is opened."""

    offender: Offender
    score: int
    """Likeness of the name, of 100; 100 for the same number."""
    why: tuple[str, ...]


def search_offenders(office: Office, actor: Actor, wanted: Wanted) -> list[Hit]:
    """Return the offenders who may be meant, the likeliest first; withdrawn records too.

    Reads all names in a view that keeps nobody waiting; only the record of the search is written.
    Raises :class:`OperationError` if nothing is given.
    """
    require(actor, Permission.SEE_OFFENDERS)
    name, number = _checked(wanted)
    with office.reading() as work:
        scores = dict(_by_name(work, name, wanted.birth_date)) if name else {}
        whole = not name and number is None
        same_number = _by_number(work, number) if number is not None else frozenset()
        born = _by_birth(work, wanted.birth_date) if whole and wanted.birth_date else frozenset()
        keys = [*same_number, *sorted(born), *sorted(scores, key=lambda key: -scores[key])]
        found = {
            one.id: one
            for one in work.session.scalars(
                select(Offender).where(Offender.id.in_(keys[:MOST_FOUND]))
            )
        }
        hits = [
            Hit(
                found[key],
                100 if key in same_number else scores.get(key, 0),
                _why(found[key], wanted, key in same_number, scores.get(key)),
            )
            for key in dict.fromkeys(keys)
            if key in found
        ]
    with office.work() as work:
        work.record(actor, "offenders searched", "offenders", found=len(hits))
    return sorted(hits, key=lambda hit: (-hit.score, hit.offender.id))


def _checked(wanted: Wanted) -> tuple[str, GivenNumber | None]:
    try:
        name = fold_name(clean_text(wanted.name))
    except ValueError as error:
        raise OperationError(str(error)) from None
    number = wanted.number
    if number is not None and not any(char.isalnum() for char in number.number):
        number = None
    if number is not None and len(number.number) > MAX_NUMBER:
        raise OperationError(f"A number has at most {MAX_NUMBER} characters.")
    if len(name) > MAX_NAME:
        raise OperationError(f"Use at most {MAX_NAME} characters for the name.")
    if not name and number is None and wanted.birth_date is None:
        raise OperationError("Give a name, a date of birth, or a number.")
    return name, number


def _by_number(work: Work, number: GivenNumber) -> frozenset[int]:
    digests = [digest for _, digest in digests_of(work, [number])]
    keys = set(offenders_with(work, digests)) if digests else set()
    return frozenset(keys)


def _by_birth(work: Work, day: datetime.date) -> frozenset[int]:
    rows = work.session.scalars(
        select(Offender.id)
        .where(Offender.birth_date == day)
        .order_by(Offender.id)
        .limit(MOST_FOUND)
    )
    return frozenset(rows)


def _by_name(work: Work, name: str, born: datetime.date | None) -> Iterator[tuple[int, int]]:
    statement = select(Offender.id, Offender.name_key).order_by(Offender.id)
    if born is not None:
        statement = statement.where(Offender.birth_date == born)
    rows = work.session.execute(statement, execution_options={"yield_per": _AT_ONCE})
    for batch in rows.partitions():
        names = [row.name_key for row in batch]
        # The parts of a name may be given in part: 'smith' finds 'john smith'.
        for _, score, position in process.extract(
            name, names, scorer=fuzz.token_set_ratio, score_cutoff=LEAST_SCORE, limit=MOST_FOUND
        ):
            yield batch[position].id, round(score)


def _why(offender: Offender, wanted: Wanted, same: bool, score: int | None) -> tuple[str, ...]:
    reasons = []
    if same:
        reasons.append("the same number")
    if score is not None:
        reasons.append(f"name alike by {score} of 100")
    if wanted.birth_date is not None and offender.birth_date == wanted.birth_date:
        reasons.append("the same birth date")
    return tuple(reasons)
