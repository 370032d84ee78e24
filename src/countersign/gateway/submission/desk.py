"""What both fronts of submission ask: may this user send, and what goes on the message.

A message goes through three steps. `open` when the transaction begins: who sends, within which
limits. `check_recipients` at each RCPT, so that what cannot pass is refused early. `accept`
once the whole message is here and before the MTA has it: its recipients are counted, the stamp
is made and signed, and the journal has it on the disk. If the MTA then refuses the message,
`take_back`: what was refused counts nothing (DESIGN §5).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from countersign.gateway.config import Config
from countersign.gateway.submission.refusals import Refusals
from countersign.gateway.submission.signing import Signer
from countersign.mail.stamp import Stamp, is_stamp, new_id, stamp_field
from countersign.mail.trace import split_fields, without_forged_results
from countersign.protocol.reply import Reply
from countersign.rules.submission import (
    Account,
    Limits,
    fits_day,
    fits_message,
    is_name_stamped,
    limits_of,
)
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.entries import Entry, Front
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.tables import Lock, SubmissionTables
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sender:
    """A user in one transaction."""

    account: Account
    limits: Limits
    used: int
    """Recipients of the last 24 hours, as the transaction began."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A message that is here as a whole, and nowhere else yet."""

    sender: Sender
    client_address: str
    recipients: int
    size: int
    header: bytes
    """The header section as submitted: whole lines, without the empty line."""
    body_hash: bytes
    """SHA-256 of the body in relaxed form (RFC 6376 §3.4.4)."""
    front: Front


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that may be handed to the MTA."""

    id: str
    """Of the tracking stamp."""
    reservation: str
    kept: tuple[bytes, ...]
    """The header fields of the user that stay."""
    added: tuple[bytes, ...]
    """Fields to put before them, the topmost first; each with its CRLF."""


class Desk:
    """One for a worker; used by the listener and by the milter."""

    def __init__(
        self,
        config: Config,
        tables: SubmissionTables,
        accounts: Accounts,
        journal: Journal,
        signer: Signer,
        *,
        on_lock: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``on_lock``: called when an account is locked; ``clock``: seconds since the epoch."""
        self._config = config
        self._tables = tables
        self._accounts = accounts
        self._journal = journal
        self._signer = signer
        self._on_lock = on_lock
        self._clock = clock
        self.refusals = Refusals(config)
        self._defaults = Limits(
            config.limits.recipients_per_message, config.limits.recipients_per_day
        )

    async def open(self, user: str) -> Sender | Reply:
        """Begin a transaction of a user who has signed in; the reply says why he may not send."""
        try:
            lock = await self._tables.lock_of(user)
            if lock is not None:
                return self.refusals.locked(lock)
            used = await self._tables.used(user, self._clock())
            account = await self._accounts.facts(user)
        except TablesUnavailableError as error:
            return self._unavailable(error)
        return Sender(account, limits_of(account, self._defaults), used)

    async def check_recipients(self, sender: Sender, recipients: int) -> Reply | None:
        """Return why a message cannot have so many recipients; None: it can, as things stand."""
        if not fits_message(sender.limits, recipients):
            return self.refusals.too_many(sender.limits)
        if fits_day(sender.limits.per_day, sender.used, recipients):
            return None
        # What was counted as the transaction began may have grown old, or been sent by another.
        return await self._lock(sender, recipients)

    async def accept(self, message: Submitted) -> Accepted | Reply:
        """Count, stamp, sign and write down a message; or the reply that refuses it."""
        sender = message.sender
        if not fits_message(sender.limits, message.recipients):
            return self.refusals.too_many(sender.limits)
        user, now = sender.account.name, self._clock()
        try:
            counted = await self._tables.reserve(
                user, message.recipients, sender.limits.per_day, now
            )
        except TablesUnavailableError as error:
            return self._unavailable(error)
        if isinstance(counted, Lock):
            return self._locked(counted, now)
        try:
            return await self._write_down(message, counted.reservation, now)
        except TablesUnavailableError as error:
            await self._release(counted.reservation)
            return self._unavailable(error)
        except BaseException:
            await self._release(counted.reservation)
            raise

    async def take_back(self, accepted: Accepted) -> None:
        """Note that the MTA refused a message after all: it counts nothing."""
        await self._release(accepted.reservation)
        await self._note_refusal(accepted.id)

    async def _write_down(self, message: Submitted, reservation: str, now: float) -> Accepted:
        account = message.sender.account
        by_default = self._config.stamp.user
        name = account.name if is_name_stamped(account, by_default=by_default) else ""
        stamp = Stamp(
            host=self._config.hostname,
            id=new_id(secrets.token_bytes(16)),
            at=datetime.fromtimestamp(now, UTC),
            user=name,
        )
        header = without_forged_results(message.header, self._config.hostname)
        kept = tuple(field for field in split_fields(header) if not is_stamp(field))
        field = stamp_field(stamp)
        signatures = self._signer.sign((field, *kept), message.body_hash, now)
        entry = Entry(
            id=stamp.id,
            at=now,
            user=account.name,
            recipients=message.recipients,
            client_address=message.client_address,
            size=message.size,
            body_hash=message.body_hash,
            front=message.front,
        )
        try:
            await self._journal.append(entry)
        except asyncio.CancelledError:
            # It may be written by now, and will go nowhere.
            await self._note_refusal(stamp.id)
            raise
        return Accepted(stamp.id, reservation, kept, (*signatures, field))

    async def _note_refusal(self, tracking_id: str) -> None:
        try:
            await self._journal.refused(tracking_id, self._clock())
        except TablesUnavailableError as error:
            log.warning("refusal not written down", id=tracking_id, reason=str(error))

    async def _lock(self, sender: Sender, recipients: int) -> Reply | None:
        user, limit, now = sender.account.name, sender.limits.per_day, self._clock()
        try:
            counted = await self._tables.reserve(user, recipients, limit, now)
            if isinstance(counted, Lock):
                return self._locked(counted, now)
            await self._tables.release(counted.reservation)
        except TablesUnavailableError as error:
            return self._unavailable(error)
        return None

    def _locked(self, lock: Lock, now: float) -> Reply:
        if lock.since == now:
            # By this step, and not long ago.
            self._on_lock()
            log.warning("account locked", used=lock.used, wanted=lock.wanted, limit=lock.limit)
        return self.refusals.locked(lock)

    async def _release(self, reservation: str) -> None:
        try:
            await self._tables.release(reservation)
        except TablesUnavailableError as error:
            # Counted though it was not sent: on the safe side, and gone in 24 hours.
            log.warning("count not taken back", reason=str(error))

    def _unavailable(self, error: TablesUnavailableError) -> Reply:
        log.error("submission cannot be counted", reason=str(error))
        return self.refusals.unavailable
