"""Open a registrar's office: its directory, keys and database, all made at the first start."""

from __future__ import annotations

import datetime
from pathlib import Path

from dateutil.relativedelta import relativedelta
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations.office import Office, Work, utc_now
from countersign.registrar.state import database_url, keyring_file, state_directory
from countersign.registrar.vault.keyring import Keyring
from countersign.registrar.vault.keyring_file import KeyringError
from countersign.rules.roles import STAFF
from countersign.storage.database.accounts import AccountRole
from countersign.storage.database.engine import Database, DatabaseError
from countersign.storage.database.migration import migrate
from countersign.storage.database.publication import Fact
from countersign.storage.database.replication import SecondaryKey
from countersign.storage.database.servers import DocumentContent, Particulars

STARTED = "started"
S_DAY = "s-day"
_S_DAY_MONTHS = 12


class OpeningError(Exception):
    """The registrar cannot start; the text says why and what to do."""


def open_office(config: RegistrarConfig) -> Office:
    """Return the office of a configuration, with everything in place.

    Raises :class:`OpeningError`.
    """
    directory = state_directory(config)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OpeningError(f"{directory}: {error.strerror}") from error
    try:
        database = Database(database_url(config))
        database.check()
        migrate(database)
        keyring = Keyring(keyring_file(config), create=not _holds_sealed(database))
    except (DatabaseError, KeyringError) as error:
        raise OpeningError(str(error)) from error
    if database.is_sqlite:
        _make_private(database)
    s_day = _remembered_start(Office(config, database, keyring))
    return Office(config.model_copy(update={"s_day": s_day}), database, keyring, utc_now)


def has_staff(work: Work) -> bool:
    """Tell whether anybody is on the registrar's staff."""
    return (
        work.session.scalar(
            select(AccountRole.account_id).where(AccountRole.role.in_(STAFF)).limit(1)
        )
        is not None
    )


def _holds_sealed(database: Database) -> bool:
    """Tell whether there is something that a new keyring could not open."""
    with database.reading() as session:
        return any(
            session.scalar(select(column).limit(1)) is not None
            for column in (Particulars.server_id, DocumentContent.document_id, SecondaryKey.id)
        )


def _make_private(database: Database) -> None:
    # The directory may be one that others can read, if somebody else has made it.
    file = Path(database.engine.url.database or "")
    for name in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        if name.exists():
            name.chmod(0o600)


def _remembered_start(office: Office) -> datetime.date:
    try:
        with office.work() as work:
            return _remember_start(work)
    except IntegrityError:
        # Another process, started at the same time, was first.
        with office.work() as work:
            return _remember_start(work)


def _remember_start(work: Work) -> datetime.date:
    """Note the first start, and return the end of the cut-over period that counts from it."""
    if work.session.get(Fact, STARTED) is None:
        work.session.add(Fact(name=STARTED, value={"at": work.now.isoformat()}))
    fact = work.session.get(Fact, S_DAY)
    if fact is None:
        end = work.today + relativedelta(months=_S_DAY_MONTHS)
        fact = Fact(name=S_DAY, value={"date": end.isoformat()})
        work.session.add(fact)
    return work.config.s_day or datetime.date.fromisoformat(fact.value["date"])
