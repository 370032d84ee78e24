"""The question to the registrar before a user is added: who is a known offender.

The server's owner decides. The registrar's answer and the decision are recorded; the particulars
are kept only while a question waits for a registrar that is away.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from countersign.cli.common import errors, fail
from countersign.cli.users_common import Users, console, deed

if TYPE_CHECKING:
    from countersign.gateway.registrar_link.answers import OffenderAnswer

Decision = Callable[[Users], Awaitable[None]]
"""Records what was decided."""

KINDS = ("drivers-licence", "passport", "national-id", "ssn", "acn", "abn", "company")
"""Of numbers that the registrar knows (docs/API.md)."""
_COUNTRY = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?\Z")
_MAX_NUMBER, _MAX_NUMBERS, _MAX_NAME = 40, 20, 255
_PURPOSE = "A new user of this mail server."


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """What is asked about whom, and what was decided beforehand."""

    question: dict[str, Any] | None
    accept_reason: str
    ask_later: bool


def question_about(person: str, born: str, numbers: Sequence[str]) -> dict[str, Any] | None:
    """Return a question to the registrar; None: nothing was given. Ends if it is not enough."""
    if not (person or born or numbers):
        return None
    if not numbers and not (person and born):
        fail("give both --person and --born, or a --number")
    if len(person) > _MAX_NAME or not person.isprintable():
        fail("--person: a full name, as it is on the papers")
    if len(numbers) > _MAX_NUMBERS:
        fail(f"--number: {_MAX_NUMBERS} at most")
    question: dict[str, Any] = {"purpose": _PURPOSE, "numbers": [_number(one) for one in numbers]}
    if person:
        question["name"] = person
    if born:
        question["birth_date"] = _birth_date(born)
    return question


async def check_person(users: Users, user: str, asked: Asked) -> Decision:
    """Ask the registrar and decide; returns what records the decision, or ends the command."""
    from countersign.gateway.registrar_link.client import RegistrarClient
    from countersign.gateway.registrar_link.errors import (
        NotLinkedError,
        RegistrarAwayError,
        RegistrarRefusedError,
    )

    try:
        async with RegistrarClient(users.config.registrar, users.config.hostname) as registrar:
            try:
                answer = await registrar.ask_offender(asked.question or {}, key=_new_key())
            except RegistrarRefusedError as error:
                if (await registrar.me()).questions_left > 0:
                    raise
                # Tomorrow there are more.
                raise RegistrarAwayError(str(error)) from error
    except NotLinkedError as error:
        fail(f"the registrar cannot be asked: {error}")
    except RegistrarRefusedError as error:
        fail(f"the registrar refuses the question: {error}", 1)
    except RegistrarAwayError as error:
        return _ask_later(user, asked, str(error))
    await _record_answer(users, user, answer)
    if answer.level is None:
        console.print("The registrar knows no such offender.")
        return _nothing
    return await _decide(users, user, asked, answer)


def _ask_later(user: str, asked: Asked, why: str) -> Decision:
    errors.print(f"{why}.", style="red", markup=False)
    if not asked.ask_later:
        if not sys.stdin.isatty():
            fail(
                "nobody is added; --ask-later adds the user and asks when the registrar is back", 1
            )
        typer.confirm(
            "Add the user all the same? The question is asked when the registrar is back, and the "
            "administrator is told the answer",
            abort=True,
        )

    async def queue(users: Users) -> None:
        assert asked.question is not None
        await users.accounts.orders.ask(user, asked.question, deed())
        console.print("The question waits for the registrar.")

    return queue


async def _record_answer(users: Users, user: str, answer: OffenderAnswer) -> None:
    from countersign.storage.submission.account_rows import EventKind

    details = {"level": answer.level, "month": _month(answer)}
    await users.accounts.record(user, EventKind.OFFENDER_ANSWERED, deed(), details)


async def _decide(users: Users, user: str, asked: Asked, answer: OffenderAnswer) -> Decision:
    from countersign.storage.submission.account_rows import EventKind

    errors.print(
        f"This is a known offender: {_LEVELS[str(answer.level)]}; the last offence was in "
        f"{_month(answer) or 'a month that is not known'}.",
        style="bold red",
        markup=False,
    )
    reason = asked.accept_reason
    if not reason and sys.stdin.isatty() and typer.confirm("Add this person all the same?"):
        reason = typer.prompt("Why (kept in the record)")
    if not reason:
        await users.accounts.record(user, EventKind.OFFENDER_REJECTED, deed())
        _not_added()

    async def record(users: Users) -> None:
        details = {"level": answer.level, "month": _month(answer)}
        kind = EventKind.OFFENDER_ACCEPTED
        await users.accounts.record(user, kind, deed(reason), details)

    return record


_LEVELS = {
    "warned": "one offence, remedied",
    "barred": "barred from registration, for offences repeated or not remedied",
}


def _not_added() -> NoReturn:
    fail('nobody is added; --accept-offender "REASON" adds the user all the same', 1)


async def _nothing(_users: Users) -> None:
    """Record nothing more."""


def _month(answer: OffenderAnswer) -> str | None:
    return answer.month.isoformat()[:7] if answer.month else None


def _birth_date(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        fail("--born: write the day as 1975-03-09")
    if not 1880 <= day.year <= date.today().year:
        fail("--born: check the year")
    return day.isoformat()


def _number(text: str) -> dict[str, str]:
    kind, _, rest = text.partition(":")
    country, _, number = rest.partition(":")
    # What was given is not repeated: it may be kept where errors are.
    if kind not in KINDS:
        fail(f"--number: write KIND:COUNTRY:NUMBER, with a kind of {', '.join(KINDS)}")
    if not _COUNTRY.match(country):
        fail("--number: the country is written DE, or AU-QLD where a state made the paper")
    if not 0 < len(number.strip()) <= _MAX_NUMBER or not number.isprintable():
        fail(f"--number: a number has 1 to {_MAX_NUMBER} characters")
    return {"kind": kind, "country": country, "number": number.strip()}


def _new_key() -> str:
    import secrets

    return secrets.token_hex(16)
