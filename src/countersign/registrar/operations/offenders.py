"""Known offenders: recorded and withdrawn by adjudicators, seen by staff only (DESIGN §6)."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import select

from countersign.registrar.operations.access import require
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import (
    Actor,
    NotFoundError,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.particulars.numbers import MAX_NUMBER, normalise_number
from countersign.registrar.particulars.text import clean_text
from countersign.registrar.queries.paging import Page, after, bounded, page_of, read_cursor
from countersign.rules.access import Permission
from countersign.rules.screening import Level, fold_name
from countersign.storage.database.screening import Offender, OffenderNumber

MAX_NAME = 120
MAX_ADDRESS = 500
MAX_NUMBERS = 20
EARLIEST_BIRTH = datetime.date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class GivenNumber:
    """An identity number as it is on the papers."""

    kind: str
    """A `particulars.numbers.NumberKind`."""
    country: str
    """ISO 3166-1, or ``AU-QLD`` where a state issued the document."""
    number: str


@dataclass(frozen=True, slots=True, repr=False)
class Details:
    """Who an offender is. Kept sealed, but for what is compared."""

    name: str
    birth_date: datetime.date | None = None
    address: str = ""
    numbers: tuple[GivenNumber, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """An offender's record, opened for staff."""

    offender: Offender
    details: Details


def record_offender(
    work: Work,
    actor: Actor,
    details: Details,
    *,
    level: Level,
    offence_on: datetime.date,
    case_reference: str,
) -> Offender:
    """Add an offender. Raises :class:`OperationError` for details that cannot be right."""
    require(actor, Permission.RECORD_OFFENDERS)
    clean = _cleaned(details)
    if clean.birth_date and not EARLIEST_BIRTH <= clean.birth_date <= work.today:
        raise OperationError("Check the birth date.")
    if offence_on > work.today:
        raise OperationError("Check the date of the offence: it is still to come.")
    if not 0 < len(case_reference.strip()) <= 64:
        raise OperationError("Name the case, in at most 64 characters.")
    offender = Offender(
        level=level,
        name_key=fold_name(clean.name)[:255],
        birth_date=clean.birth_date,
        address_key=fold_name(clean.address)[:255],
        sealed=b"",
        offence_on=offence_on,
        case_reference=case_reference.strip(),
        recorded_by=account_of(actor),
        recorded_at=work.now,
        numbers=[
            OffenderNumber(kind=kind, digest=digest) for kind, digest in _digests(work, clean)
        ],
    )
    work.session.add(offender)
    work.session.flush()
    offender.sealed = work.keyring.seal(_to_json(clean), _context(offender.id))
    work.record(actor, "offender recorded", f"offender:{offender.id}", level=str(level))
    work.session.flush()
    return offender


def withdraw_offender(work: Work, actor: Actor, offender_id: int, reason: str) -> None:
    """Take a record out of every comparison; it stays, with the reason."""
    require(actor, Permission.RECORD_OFFENDERS)
    offender = _find(work, offender_id)
    hold(work, offender)
    if offender.withdrawn_at is not None:
        raise OperationError("This record has been withdrawn already.")
    if not reason.strip():
        raise OperationError("Say why the record is withdrawn.")
    offender.withdrawn_at, offender.withdrawn_reason = work.now, reason.strip()[:1000]
    work.record(actor, "offender withdrawn", f"offender:{offender.id}")
    work.session.flush()


def open_offender(work: Work, actor: Actor, offender_id: int, *, reason: str = "") -> Opened:
    """Return an offender's record to staff; the look goes to the access log."""
    require(actor, Permission.SEE_OFFENDERS)
    offender = _find(work, offender_id)
    work.record(actor, "offender seen", f"offender:{offender.id}", reason=reason[:255])
    work.session.flush()
    return Opened(offender, _from_json(work.keyring.open(offender.sealed, _context(offender.id))))


def list_offenders(
    work: Work, actor: Actor, *, cursor: str | None = None, limit: int = 50
) -> Page[Offender]:
    """Return the records, the newest first, without who they are of."""
    require(actor, Permission.SEE_OFFENDERS)
    statement = select(Offender).order_by(Offender.id.desc())
    if cursor is not None:
        key = read_cursor(cursor, [int])
        statement = statement.where(after([Offender.id], key, descending=True))
    rows = work.session.scalars(bounded(statement, limit)).all()
    return page_of(rows, limit, lambda one: [one.id])


def digests_of(work: Work, numbers: Sequence[GivenNumber]) -> list[tuple[str, str]]:
    """Return kind and keyed hash of some numbers; those without letter or digit are left out."""
    found = []
    for given in numbers:
        country = given.country.upper()
        plain = normalise_number(given.kind, country[:2], given.number)
        if plain:
            found.append((given.kind, work.keyring.digest_number(given.kind, country, plain)))
    return found


def _digests(work: Work, details: Details) -> list[tuple[str, str]]:
    return list(dict.fromkeys(digests_of(work, details.numbers)))


def _find(work: Work, offender_id: int) -> Offender:
    offender = work.session.get(Offender, offender_id)
    if offender is None:
        raise NotFoundError("There is no such record.")
    return offender


def _cleaned(details: Details) -> Details:
    try:
        name, address = clean_text(details.name), clean_text(details.address)
    except ValueError as error:
        raise OperationError(str(error)) from None
    if not fold_name(name) or len(name) > MAX_NAME:
        raise OperationError(f"Enter the name, in at most {MAX_NAME} characters.")
    if len(address) > MAX_ADDRESS:
        raise OperationError(f"Use at most {MAX_ADDRESS} characters for the address.")
    if len(details.numbers) > MAX_NUMBERS:
        raise OperationError(f"Give at most {MAX_NUMBERS} numbers.")
    if any(len(given.number) > MAX_NUMBER for given in details.numbers):
        raise OperationError(f"A number has at most {MAX_NUMBER} characters.")
    return Details(name, details.birth_date, address, details.numbers)


def _to_json(details: Details) -> bytes:
    return json.dumps(asdict(details), default=str, separators=(",", ":")).encode()


def _from_json(text: bytes) -> Details:
    values = json.loads(text)
    born = values["birth_date"]
    return Details(
        values["name"],
        datetime.date.fromisoformat(born) if born else None,
        values["address"],
        tuple(GivenNumber(**number) for number in values["numbers"]),
    )


def _context(offender_id: int) -> bytes:
    return f"offender:{offender_id}".encode()
