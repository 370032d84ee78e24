"""The clerk's process: its tasks run side by side until the supervisor ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import uvloop

from countersign.gateway.clerk.decisions import Decisions
from countersign.gateway.clerk.notices import Notices
from countersign.gateway.clerk.upkeep import Upkeep
from countersign.gateway.config import Config
from countersign.gateway.registrar_link.errors import RegistrarError
from countersign.gateway.tls import TlsError
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import SubmissionTables
from countersign.storage.submission.turn import Turn, open_turn
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

MAX_BACK_OFF: Final = 60.0
STEADY_SECONDS: Final = 60.0
"""A task that ran so long is started again at once when it ends."""


Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Stores:
    tables: SubmissionTables
    journal: Journal
    accounts: Accounts
    turn: Turn


def run_clerk(config: Config, *, lifeline: int | None = None) -> None:
    """Work until SIGTERM.

    lifeline: a pipe whose end means that the supervisor is gone. Raises
    :class:`~countersign.storage.tables.TablesUnavailableError`.
    """
    uvloop.run(_run(config, lifeline))


async def _run(config: Config, lifeline: int | None) -> None:
    stop = asyncio.Event()
    _hear_signals(stop, lifeline)
    async with _stores(config) as stores:
        tasks = [
            asyncio.create_task(keep_running(name, work))
            for name, work in _works(config, stores).items()
        ]
        log.info("clerk", tasks=len(tasks))
        await stop.wait()
        await end_all(tasks)
    log.info("clerk has stopped")


async def end_all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        # Again for whom it passed by: asyncio.wait_for of Python 3.11, which the client of Valkey
        # uses, loses a cancellation that comes together with what it waits for.
        _, waiting = await asyncio.wait(waiting, timeout=1)


def _works(config: Config, stores: _Stores) -> dict[str, Work]:
    notices = Notices(config, stores.tables, stores.turn, stores.journal.of_user)
    upkeep = Upkeep(config, stores.tables, stores.journal)
    decisions = Decisions(config, stores.accounts)
    works: dict[str, Work] = {
        "notices": notices.run,
        "decisions": decisions.run,
        "upkeep": upkeep.run,
    }
    if config.registrar.url:
        works["courier"] = lambda: _run_courier(config, stores.accounts)
    if config.pages.listen:
        # Imported where it is wanted: the web's libraries are most of what the process would hold.
        from countersign.gateway.pages.service import serve

        works["pages"] = lambda: serve(config, stores.tables, stores.accounts, stores.journal)
    return works


async def _run_courier(config: Config, accounts: Accounts) -> None:
    from countersign.gateway.registrar_link.client import RegistrarClient
    from countersign.gateway.registrar_link.courier import Courier

    async with RegistrarClient(config.registrar, config.hostname) as client:
        await Courier(accounts, client).run()


async def keep_running(name: str, work: Work) -> None:
    """Run a task again whenever it ends or fails: one's fault is not to stop the others."""
    delay = 0.0
    while True:
        started = time.monotonic()
        try:
            await work()
        except (RegistrarError, TablesUnavailableError, TlsError) as error:
            log.error("task failed", task=name, reason=str(error))
        except Exception as error:
            # Type and place only: an error's text, and variables, may hold users' data.
            log.error("task failed", task=name, error=type(error).__name__, where=_place(error))
        steady = time.monotonic() - started > STEADY_SECONDS
        delay = 1.0 if steady else min(MAX_BACK_OFF, delay * 2 + 1)
        await asyncio.sleep(delay)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(frames[-5:]))


@asynccontextmanager
async def _stores(config: Config) -> AsyncIterator[_Stores]:
    directory = config.state_directory / "submission"
    url = config.storage.url
    stores = _Stores(
        open_submission_tables(url, directory),
        Journal(directory),
        Accounts(directory),
        open_turn(url, directory, "clerk"),
    )
    try:
        yield stores
    finally:
        await stores.turn.aclose()
        await stores.journal.aclose()
        await stores.accounts.aclose()
        await stores.tables.aclose()


def _hear_signals(stop: asyncio.Event, lifeline: int | None) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if lifeline is None:
        loop.add_signal_handler(signal.SIGINT, stop.set)
        return
    # Ctrl-C reaches the whole foreground group: the supervisor alone decides what it means.
    for number in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: None)

    def readable() -> None:
        if not os.read(lifeline, 1):
            loop.remove_reader(lifeline)
            stop.set()

    loop.add_reader(lifeline, readable)
