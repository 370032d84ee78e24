"""Delivery of a message: domains side by side, the hosts of each in turn (RFC 5321 §5)."""

from __future__ import annotations

import asyncio
import random

import structlog

from countersign.gateway.parts import Parts
from countersign.gateway.sending.connection import ReceiverRefusedError
from countersign.gateway.sending.message import Batch, Message, Statuses
from countersign.gateway.sending.pool import Pool
from countersign.gateway.sending.transaction import UnusedConnectionError, send
from countersign.protocol.address import parse_address_literal
from countersign.protocol.reply import Reply, reply
from countersign.rules.routing import NoRoute, route
from countersign.transport.conversation import ConversationError
from countersign.transport.resolver import NameNotFoundError, ResolutionFailedError

log = structlog.get_logger()

NO_SUCH_DOMAIN = reply(550, "5.1.2", "The domain does not exist")
DNS_TROUBLE = reply(451, "4.4.3", "The DNS did not answer for the domain")
NO_ADDRESS = reply(550, "5.4.4", "No host of the domain has an address")
NOT_IN_TIME = reply(451, "4.4.7", "The receiver was too slow")
INTERNAL = reply(451, "4.3.0", "Internal error of the sending gateway")

_NO_ROUTE = {
    NoRoute.NULL_MX: reply(556, "5.1.10", "The domain takes no mail (null MX)"),
    NoRoute.LOOP: reply(550, "5.4.6", "Mail for the domain loops back to this host"),
    NoRoute.NO_VALID_HOST: reply(550, "5.4.4", "The domain's MX records name no valid host"),
}
MAX_ADDRESSES = 10
"""Addresses tried for one domain and message."""


class Delivery:
    """Delivers messages; one per worker."""

    def __init__(self, parts: Parts, pool: Pool) -> None:
        self._parts = parts
        self._pool = pool

    async def deliver(self, message: Message) -> list[Reply]:
        """Return a reply for each recipient, in order; all within the total time-out.

        A positive reply is the receiver's own, to the end of the content.
        """
        batches: dict[str, Batch] = {}
        for place, envelope in enumerate(message.recipients):
            domain = envelope.mailbox.domain if envelope.mailbox is not None else ""
            batches.setdefault(domain, Batch(domain)).recipients[place] = envelope
        tasks = {
            asyncio.create_task(self._deliver_batch(message, batch)): batch
            for batch in batches.values()
        }
        try:
            await asyncio.wait(tasks, timeout=self._parts.config.sending.total_timeout)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        statuses: Statuses = {}
        for task, batch in tasks.items():
            found = _result(task)
            self._report(batch, found)
            statuses |= {place: found.get(place, NOT_IN_TIME) for place in batch.recipients}
        return [statuses[place] for place in range(len(message.recipients))]

    async def _deliver_batch(self, message: Message, batch: Batch) -> Statuses:
        hosts = await self._hosts(batch.domain)
        if isinstance(hosts, Reply):
            return dict.fromkeys(batch.recipients, hosts)
        waiting, last = batch, NO_ADDRESS
        statuses: Statuses = {}
        tries = 0
        for host in hosts:
            addresses = await self._addresses(host)
            if isinstance(addresses, Reply):
                last = addresses if last.is_permanent else last
                continue
            for address in addresses:
                tries += 1
                found = await self._try(message, waiting, host, address)
                statuses |= found
                later = {
                    place: envelope
                    for place, envelope in waiting.recipients.items()
                    if found[place].is_transient
                }
                if not later or tries >= MAX_ADDRESSES:
                    return statuses
                waiting = Batch(batch.domain, later)
        return {place: statuses.get(place, last) for place in batch.recipients}

    async def _hosts(self, domain: str) -> list[str] | Reply:
        if domain.startswith("["):
            return [parse_address_literal(domain)]
        try:
            records = await self._parts.resolver.mx(domain)
        except NameNotFoundError:
            return NO_SUCH_DOMAIN
        except ResolutionFailedError:
            return DNS_TROUBLE
        found = route(
            domain, records, own_names={self._parts.config.hostname}, shuffle=random.shuffle
        )
        return _NO_ROUTE[found] if isinstance(found, NoRoute) else list(found.exchangers)

    async def _addresses(self, host: str) -> list[str] | Reply:
        if ":" in host or host.rpartition(".")[2].isdecimal():
            return [host]
        try:
            return await self._parts.resolver.addresses(host)
        except NameNotFoundError:
            return NO_ADDRESS
        except ResolutionFailedError:
            return DNS_TROUBLE

    async def _try(self, message: Message, batch: Batch, host: str, address: str) -> Statuses:
        """Send to one address; what fails there is transient for all recipients."""
        try:
            try:
                return await self._send(message, batch, host, address, fresh=False)
            except UnusedConnectionError:
                # The receiver had closed a kept connection: that says nothing of this message.
                return await self._send(message, batch, host, address, fresh=True)
        except ReceiverRefusedError as error:
            answer = _named(error.answer, host, address)
        except ConversationError as error:
            answer = reply(451, "4.4.2", f"{host}[{address}]: {error}")
        return dict.fromkeys(batch.recipients, answer)

    async def _send(
        self, message: Message, batch: Batch, host: str, address: str, *, fresh: bool
    ) -> Statuses:
        async with self._pool.connection(host, address, fresh=fresh) as connection:
            statuses = await send(connection, message, batch)
            log.info(
                "sent",
                receiver=host,
                address=address,
                verified=connection.is_verified,
                message_on_connection=connection.messages,
                codes=sorted({answer.code for answer in statuses.values()}),
            )
        return {place: _named(answer, host, address) for place, answer in statuses.items()}

    def _report(self, batch: Batch, statuses: Statuses) -> None:
        for answer in statuses.values():
            outcome = "delivered" if answer.is_positive else "deferred"
            self._parts.metrics.delivered("refused" if answer.is_permanent else outcome)
        refused = sorted({answer.code for answer in statuses.values() if not answer.is_positive})
        if refused:
            log.info("not delivered", domain=batch.domain, codes=refused)


def _result(task: asyncio.Task[Statuses]) -> Statuses:
    if task.cancelled() or not task.done():
        return {}
    error = task.exception()
    if error is not None:
        log.error("delivery failed", exc_info=error)
        return {}
    return task.result()


def _named(answer: Reply, host: str, address: str) -> Reply:
    """Say whose word it is, as the MTA's user reads it in a DSN."""
    lines = answer.lines or ("",)
    where = f"{host}[{address}] said: {lines[0]}"
    return Reply(answer.code, (where, *lines[1:]), answer.enhanced)
