"""What every operation works with: database, keys, settings, time; who acts; what goes wrong."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.vault.keyring import Keyring
from countersign.rules.roles import Role
from countersign.storage.database.accounts import AccessRecord
from countersign.storage.database.engine import Database
from countersign.storage.database.jobs import Job

_MET_ANOTHER = frozenset({"40P01", "40001", "55P03"})
"""PostgreSQL's codes: a deadlock, a failure to serialize, a lock that was not to be had in time."""


class OperationError(Exception):
    """It cannot be done; the message tells a person why, and what to do. Nothing was changed."""


class NotFoundError(OperationError):
    """There is no such thing, or not for this person: the two look alike on purpose."""


class ForbiddenError(OperationError):
    """The role may not do this."""


class ConflictError(OperationError):
    """Somebody else changed it first."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and in which role."""

    role: Role
    account_id: int | None = None


SYSTEM = Actor(Role.SYSTEM)
"""The registrar itself."""


def account_of(actor: Actor) -> int:
    """Return the account of an actor that is a person. Raises :class:`ForbiddenError`."""
    if actor.account_id is None:
        raise ForbiddenError("This is for people with an account.")
    return actor.account_id


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction's view of everything. ``now`` is the same for all of it."""

    session: Session
    now: datetime.datetime
    config: RegistrarConfig
    keyring: Keyring

    @property
    def today(self) -> datetime.date:
        """The day, in UTC."""
        return self.now.date()

    def order(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        unique_key: str | None = None,
        run_at: datetime.datetime | None = None,
    ) -> None:
        """Order a job: it will be done if, and only if, this transaction commits.

        unique_key: must not have been ordered before, else the transaction fails.
        """
        self.session.add(
            Job(
                kind=kind,
                payload=payload,
                unique_key=unique_key,
                run_at=run_at or self.now,
                created_at=self.now,
            )
        )

    def record(
        self,
        actor: Actor,
        what: str,
        subject: str,
        *,
        server_id: int | None = None,
        **details: Any,
    ) -> AccessRecord:
        """Write to the access log: who looked at, or changed, what is not public."""
        made = AccessRecord(
            at=self.now,
            account_id=actor.account_id,
            role=actor.role,
            what=what,
            subject=subject,
            server_id=server_id,
            details=details,
        )
        self.session.add(made)
        return made


def _is_of_two(error: OperationalError) -> bool:
    """Tell whether a transaction failed because it met another: it may be tried again."""
    # By number: PostgreSQL writes its texts in the language of its own settings.
    state = getattr(error.orig, "sqlstate", None)
    code = getattr(error.orig, "sqlite_errorcode", 0)
    return state in _MET_ANOTHER or code & 0xFF == sqlite3.SQLITE_BUSY


def utc_now() -> datetime.datetime:
    """Return the present moment."""
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True, slots=True)
class Office:
    """The registrar's data and how to work on it; shared by all threads of a process."""

    config: RegistrarConfig
    database: Database
    keyring: Keyring
    clock: Callable[[], datetime.datetime] = utc_now

    @contextlib.contextmanager
    def work(self) -> Iterator[Work]:
        """Give a transaction; it commits at the end of the block.

        Raises :class:`ConflictError` if another transaction changed the same thing first.
        """
        try:
            with self.database.transaction() as session:
                yield Work(session, self.clock(), self.config, self.keyring)
        except StaleDataError:
            raise ConflictError(
                "Somebody else has changed this in the meantime: look at it again."
            ) from None
        except OperationalError as error:
            if _is_of_two(error):
                raise ConflictError("Two changes met: try it again.") from error
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[Work]:
        """Give a view that changes nothing."""
        with self.database.reading() as session:
            yield Work(session, self.clock(), self.config, self.keyring)
