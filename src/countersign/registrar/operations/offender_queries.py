"""Questions of registered owners whether somebody is a known offender (DESIGN §6).

The answer is a level and a month, and only about somebody whom the asker plainly knows: by an
identity number, or by birth date and a name that is all but the same. Each question is recorded
and counts, whatever the answer.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz
from sqlalchemy import func, select

from countersign.registrar.operations.access import require
from countersign.registrar.operations.digests import keyed_digest
from countersign.registrar.operations.likeness import offenders_with
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.offenders import (
    MAX_NAME,
    MAX_NUMBERS,
    GivenNumber,
    digests_of,
)
from countersign.registrar.operations.office import Actor, OperationError, Work, account_of
from countersign.registrar.particulars.numbers import MAX_NUMBER
from countersign.registrar.particulars.text import clean_text
from countersign.rules.access import Permission
from countersign.rules.life_cycle import State
from countersign.rules.screening import Level, fold_name
from countersign.storage.database.accounts import Account
from countersign.storage.database.screening import Offender, OffenderQuery
from countersign.storage.database.servers import Server

MAX_PURPOSE = 255
_GRAVITY = {Level.WARNED: 1, Level.BARRED: 2}


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """About whom somebody asks: a number, or both name and birth date."""

    name: str = ""
    birth_date: datetime.date | None = None
    numbers: tuple[GivenNumber, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the asker learns."""

    level: Level | None
    """None: no such offender is known."""
    month: datetime.date | None
    """First day of the month of the last offence."""
    left: int
    """Questions that the asker still has in these 24 hours."""


def query_offenders(
    work: Work, actor: Actor, server: Server, question: Question, purpose: str
) -> Answer:
    """Answer a question of somebody who owns or runs an active server.

    purpose: why it is asked; kept. Raises :class:`OperationError`: not enough is given, the
    server is not active, or too many questions.
    """
    require(actor, Permission.QUERY_OFFENDERS)
    account_id = account_of(actor)
    if server.state is not State.ACTIVE:
        raise OperationError("Only active servers may ask about offenders.")
    asked = _cleaned(work, question)
    why = _cleaned_text(purpose)
    if not 0 < len(why) <= MAX_PURPOSE:
        raise OperationError(f"Say why you ask, in at most {MAX_PURPOSE} characters.")
    # Held, so that questions asked at the same moment are all counted.
    hold(work, work.session.get_one(Account, account_id))
    left = work.config.security.offender_queries - _asked_lately(work, account_id)
    if left <= 0:
        raise OperationError(
            f"You may ask {work.config.security.offender_queries} questions in 24 hours."
        )
    digests = sorted(digest for _, digest in digests_of(work, asked.numbers))
    found = _find(work, asked, digests)
    level = max((one.level for one in found), key=_GRAVITY.__getitem__, default=None)
    work.session.add(
        OffenderQuery(
            at=work.now,
            account_id=account_id,
            server_id=server.id,
            purpose=why,
            question_digest=_digest(work, asked, digests),
            answer=str(level) if level else "none",
            offender_id=next((one.id for one in found if one.level is level), None),
        )
    )
    work.record(actor, "offender query", f"server:{server.id}", server_id=server.id)
    work.session.flush()
    last = max((one.offence_on for one in found), default=None)
    return Answer(level, last.replace(day=1) if last else None, left - 1)


def queries_left(work: Work, account_id: int) -> int:
    """Return how many questions an account still has in these 24 hours."""
    return max(0, work.config.security.offender_queries - _asked_lately(work, account_id))


def _asked_lately(work: Work, account_id: int) -> int:
    since = work.now - datetime.timedelta(hours=24)
    count = select(func.count()).where(
        OffenderQuery.account_id == account_id, OffenderQuery.at > since
    )
    return int(work.session.scalar(count) or 0)


def _find(work: Work, asked: Question, digests: Sequence[str]) -> list[Offender]:
    """Return the offenders that a question is certainly about, in their order."""
    keys = set(offenders_with(work, digests)) if digests else set()
    if asked.birth_date is not None:
        name, strong = fold_name(asked.name), work.config.screening.strong_score
        rows = work.session.execute(
            select(Offender.id, Offender.name_key).where(
                Offender.birth_date == asked.birth_date, Offender.withdrawn_at.is_(None)
            )
        )
        keys |= {row.id for row in rows if fuzz.ratio(name, row.name_key) >= strong}
    statement = select(Offender).where(Offender.id.in_(keys)).order_by(Offender.id)
    return list(work.session.scalars(statement)) if keys else []


def _cleaned(work: Work, question: Question) -> Question:
    name = _cleaned_text(question.name)
    if len(name) > MAX_NAME or len(question.numbers) > MAX_NUMBERS:
        raise OperationError("Ask about one person at a time.")
    if any(len(given.number) > MAX_NUMBER for given in question.numbers):
        raise OperationError(f"A number has at most {MAX_NUMBER} characters.")
    numbers = tuple(given for given in question.numbers if given.number.strip())
    whole = bool(fold_name(name)) and question.birth_date is not None
    if not whole and not digests_of(work, numbers):
        raise OperationError("Give an identity number, or both the name and the date of birth.")
    return Question(name, question.birth_date if whole else None, numbers)


def _cleaned_text(text: str) -> str:
    try:
        return clean_text(text)
    except ValueError as error:
        raise OperationError(str(error)) from None


def _digest(work: Work, asked: Question, digests: Sequence[str]) -> str:
    born = asked.birth_date.isoformat() if asked.birth_date else ""
    return keyed_digest(work, "offender query", fold_name(asked.name), born, *digests)
