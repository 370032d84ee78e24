"""The end of a message: the desk decides, and the MTA is told what to change."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from countersign.gateway.milter.message import MilterMessage, removals
from countersign.gateway.submission.passing import Accepted, Submitted
from countersign.mail.submitted import HeaderFaultError, complete_header
from countersign.mail.trace import split_fields
from countersign.protocol.milter.answers import Verdict
from countersign.protocol.milter.server import MilterDialogue
from countersign.protocol.reply import Reply, reply
from countersign.storage.submission.entries import Front
from countersign.transport.stream import StreamClosedError

if TYPE_CHECKING:
    from countersign.gateway.milter.service import MilterService

log = structlog.get_logger()

PROGRESS_SECONDS = 10.0
"""Between words to an MTA that waits for a decision."""
NO_RECIPIENTS = reply(554, "5.5.1", "No valid recipients")


class Ending:
    """Ends one message."""

    def __init__(
        self,
        service: MilterService,
        dialogue: MilterDialogue,
        flush: Callable[[], None],
        client_address: str,
    ) -> None:
        """``flush`` sends what the dialogue has; it raises StreamClosedError."""
        self._service = service
        self._dialogue = dialogue
        self._flush = flush
        self._client_address = client_address

    async def decide(self, message: MilterMessage) -> None:
        """Count, stamp and sign a complete message, or refuse it."""
        outcome = await self._decide(message)
        self._service.metrics.message("milter", outcome, message.size)
        self._service.metrics.submitted(Front.MILTER.value, outcome, message.recipients)

    async def _decide(self, message: MilterMessage) -> str:
        if message.refusal is not None or not message.recipients:
            return self._refuse(message.refusal or NO_RECIPIENTS)
        header = b"".join(field.octets for field in message.fields)
        try:
            completed = complete_header(
                header,
                hostname=self._service.hostname,
                unique=secrets.token_hex(16),
                at=datetime.now(UTC),
            )
        except HeaderFaultError as error:
            return self._refuse(reply(550, "5.6.0", str(error)))
        submitted = self._submitted(message, completed)
        queue_id = self._dialogue.macro("i")
        asking = asyncio.ensure_future(self._service.desk.accept(submitted))
        try:
            await self._wait_for(asking)
            accepted = asking.result()
            if isinstance(accepted, Reply):
                return self._refuse(accepted)
            self._change(message, accepted, completed[len(header) :])
            self._dialogue.respond(Verdict.CONTINUE)
            self._flush()
        except BaseException:
            # The MTA is gone, or is not told: without an answer it passes nothing on.
            await asyncio.shield(self._take_back(asking))
            raise
        # Neither user nor address: the tracking ID leads to them, for those who may know.
        log.info(
            "message",
            id=accepted.id,
            queue_id=queue_id,
            recipients=message.recipients,
            size=message.size,
        )
        return "accepted"

    def _submitted(self, message: MilterMessage, header: bytes) -> Submitted:
        return Submitted(
            sender=message.sender,
            client_address=self._client_address,
            recipients=message.recipients,
            size=message.size,
            header=header,
            body_hash=message.body_hash,
            front=Front.MILTER,
        )

    async def _wait_for(self, asking: asyncio.Future[Accepted | Reply]) -> None:
        while True:
            done, _ = await asyncio.wait((asking,), timeout=self._service.progress_seconds)
            if done:
                return
            self._dialogue.progress()
            self._flush()

    def _change(self, message: MilterMessage, accepted: Accepted, completing: bytes) -> None:
        for name, occurrence in removals(message.fields, accepted.kept):
            self._dialogue.remove_field(name, occurrence)
        for field in split_fields(completing):
            self._dialogue.add_field(field)
        # Each on top of the one before, so that no MTA's idea of an index is relied on.
        for field in reversed(accepted.added):
            self._dialogue.insert_field(0, field)

    def _refuse(self, refusal: Reply) -> str:
        self._dialogue.respond(refusal)
        with contextlib.suppress(StreamClosedError):
            self._flush()
        return "refused" if refusal.is_permanent else "deferred"

    async def _take_back(self, asking: asyncio.Future[Accepted | Reply]) -> None:
        accepted = await asking
        if isinstance(accepted, Accepted):
            await self._service.desk.take_back(accepted)
