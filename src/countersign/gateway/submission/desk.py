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
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from countersign.gateway.config import Config
from countersign.gateway.submission.counting import Counting
from countersign.gateway.submission.passing import Accepted, Sender, Submitted
from countersign.gateway.submission.refusals import Refusals
from countersign.gateway.submission.signing import Signer
from countersign.mail.stamp import Stamp, is_stamp, new_id, stamp_field
from countersign.mail.trace import split_fields, without_forged_results
from countersign.protocol.reply import Reply
from countersign.rules.sign_in_lapse import SignInEnds, SignInStart, holds
from countersign.rules.submission import (
    Limits,
    fits_day,
    fits_message,
    is_name_stamped,
    limits_of,
)
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.entries import Entry
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.tables import Lock, SubmissionTables
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

_FRESH_SECONDS = 30.0
"""That what was looked up as a transaction began is relied on at its end."""


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
        uptime: Callable[[], float] = time.monotonic,
    ) -> None:
        """``on_lock``: called when an account is locked; ``clock``: seconds since the epoch."""
        self._config = config
        self._tables = tables
        self._counting = Counting(tables)
        self._accounts = accounts
        self._journal = journal
        self._signer = signer
        self._on_lock = on_lock
        self._clock = clock
        self._uptime = uptime
        self.refusals = Refusals(config)
        self._defaults = Limits(
            config.limits.recipients_per_message, config.limits.recipients_per_day
        )

    async def sign_in_begins(self) -> SignInStart | None:
        """Note when an AUTH command came; None: what is decided of users cannot be read."""
        try:
            record = await self._accounts.newest_event()
        except TablesUnavailableError as error:
            log.error("users cannot be read", reason=str(error))
            return None
        return SignInStart(self._clock(), self._uptime(), record)

    async def open(self, user: str, start: SignInStart | None = None) -> Sender | Reply:
        """Begin a transaction of a user who has signed in; the reply says why he may not send.

        ``start``: of the sign-in, if it was here; the reply is 421 if it holds no longer.
        """
        now, uptime = self._clock(), self._uptime()
        try:
            account = await self._accounts.facts(user)
            standing = await self._tables.standing(user, now)
        except TablesUnavailableError as error:
            return self._unavailable(error)
        ends = SignInEnds(account.ended_by, standing.unlocked_at)
        lapse = self._config.sign_in.lapse_seconds
        if start and not holds(start, ends, now=now, uptime=uptime, lapse_seconds=lapse):
            return self.refusals.sign_in_again
        if standing.lock is not None:
            return self.refusals.locked(standing.lock)
        if account.is_disabled:
            return self.refusals.disabled
        limits = limits_of(account, self._defaults)
        return Sender(account, limits, standing.used, start, uptime)

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
        sender = await self._still(message.sender)
        if isinstance(sender, Reply):
            return sender
        if not fits_message(sender.limits, message.recipients):
            return self.refusals.too_many(sender.limits)
        user, now = sender.account.name, self._clock()
        try:
            counted = await self._counting.reserve(
                user, message.recipients, sender.limits.per_day, now
            )
        except TablesUnavailableError as error:
            return self._unavailable(error)
        if isinstance(counted, Lock):
            return self._locked(counted, now)
        try:
            return await self._write_down(replace(message, sender=sender), counted.reservation, now)
        except TablesUnavailableError as error:
            await self._counting.release(counted.reservation)
            return self._unavailable(error)
        except BaseException:
            await self._counting.release(counted.reservation)
            raise

    async def take_back(self, accepted: Accepted) -> None:
        """Note that the MTA refused a message after all: it counts nothing."""
        await self._counting.release(accepted.reservation)
        await self._note_refusal(accepted.id)

    async def _still(self, sender: Sender) -> Sender | Reply:
        """Look again at who began long ago: nobody keeps a transaction open for later."""
        uptime = self._uptime()
        if uptime - sender.opened <= _FRESH_SECONDS:
            return sender
        # A sign-in does not lapse within a transaction: it may be a long message.
        start = None if sender.start is None else replace(sender.start, uptime=uptime)
        return await self.open(sender.account.name, start)

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
            if fits_day(limit, await self._tables.used(user, now), recipients):
                return None
            counted = await self._counting.reserve(user, recipients, limit, now)
            if isinstance(counted, Lock):
                return self._locked(counted, now)
            await self._counting.release(counted.reservation)
        except TablesUnavailableError as error:
            return self._unavailable(error)
        return None

    def _locked(self, lock: Lock, now: float) -> Reply:
        if lock.since == now:
            # By this step, and not long ago.
            self._on_lock()
            log.warning("account locked", used=lock.used, wanted=lock.wanted, limit=lock.limit)
        return self.refusals.locked(lock)

    def _unavailable(self, error: TablesUnavailableError) -> Reply:
        log.error("submission cannot be counted", reason=str(error))
        return self.refusals.unavailable
