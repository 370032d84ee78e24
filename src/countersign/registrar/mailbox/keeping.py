"""Between the mailbox's event loop and the database: threads, and what to say when it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from countersign.certification.mailbox import MailboxUnavailableError, Message
from countersign.certification.outcome import BatteryResult
from countersign.certification.test_address import Kind
from countersign.registrar.mailbox.metrics import MailboxMetrics
from countersign.registrar.operations import arrivals, sending_tests
from countersign.registrar.operations.office import ConflictError, Office, OperationError, Work

log = structlog.get_logger()

T = TypeVar("T")
_ATTEMPTS = 3
"""Of a transaction that meets another one."""


class Keeping:
    """Looks marks up, and keeps messages and results."""

    def __init__(
        self, office: Office, threads: ThreadPoolExecutor, metrics: MailboxMetrics
    ) -> None:
        self._office = office
        self._threads = threads
        self._metrics = metrics

    async def knows(self, mark: str, _kind: Kind) -> bool:
        """Tell whether there is an order with a mark. Raises MailboxUnavailableError."""

        def look() -> bool:
            with self._office.reading() as work:
                return arrivals.order_of_mark(work, mark) is not None

        return await self._in_thread(look)

    async def deliver(self, message: Message) -> None:
        """Keep a message: all of it in one transaction. Raises MailboxUnavailableError."""

        def keep(work: Work) -> None:
            for address in message.addresses:
                order = arrivals.order_of_mark(work, address.mark)
                if order is not None:
                    arrivals.record_arrival(
                        work,
                        order,
                        address.kind,
                        address.number,
                        from_address=message.from_address,
                        hello=message.hello,
                        head=message.head,
                    )

        await self._in_thread(lambda: self._in_transaction(keep))
        for address in message.addresses:
            self._metrics.arrived(address.kind.name.lower())

    async def host_of(self, mark: str) -> str | None:
        """Return the host name of a sending test that is open. Raises MailboxUnavailableError."""

        def look() -> str | None:
            with self._office.reading() as work:
                return sending_tests.host_of_mark(work, mark)

        return await self._in_thread(look)

    async def record(self, mark: str, result: BatteryResult) -> None:
        """Keep the result of a sending test. Raises MailboxUnavailableError."""

        def keep(work: Work) -> None:
            test = sending_tests.find(work, mark)
            if test is not None:
                sending_tests.record(work, test, result.verdict, result.to_dict())

        await self._in_thread(lambda: self._in_transaction(keep))
        self._metrics.tested(result.verdict)

    def _in_transaction(self, keep: Callable[[Work], None]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._office.work() as work:
                    keep(work)
            except ConflictError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    async def _in_thread(self, act: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, act)
        except (SQLAlchemyError, OperationError) as error:
            self._metrics.failed()
            log.warning("the test mailbox cannot keep or look up", error=type(error).__name__)
            raise MailboxUnavailableError("the database is away, or full") from error
