"""Workers: threads that do what was ordered, in the service or in processes of their own."""

from __future__ import annotations

import contextlib
import datetime
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType

import structlog

from countersign.registrar.jobs.bell import Bell
from countersign.registrar.jobs.keeper import LeaseKeeper
from countersign.registrar.jobs.kinds import Kind, Lane
from countersign.registrar.jobs.performing import perform
from countersign.registrar.jobs.queue import claim, holders, release
from countersign.registrar.jobs.schedule import address_round, order_addresses, order_daily
from countersign.registrar.operations.office import Office

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""How often an idle worker looks for work that nobody called it to: what is due by the clock."""
_PAUSE_SECONDS = 5.0


class Workers:
    """The workers of a process: in each lane as many threads as configured. A context manager."""

    def __init__(
        self, office: Office, kinds: Mapping[str, Kind], *, threads: int | None = None
    ) -> None:
        """threads: in each lane; default: as configured."""
        self._office = office
        self._kinds = kinds
        self._bell = Bell(office.database)
        self._keeper = LeaseKeeper(office)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run, args=(lane, worker_name()), name=f"{lane} jobs", daemon=True
            )
            for lane in Lane
            for _ in range(office.config.jobs if threads is None else threads)
        ]
        self._names: list[str] = []
        self._day: datetime.date | None = None
        self._round: int | None = None

    def __enter__(self) -> Workers:
        _release_the_dead(self._office)
        self._bell.__enter__()
        self._keeper.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(0)

    def stop(self, seconds: float) -> None:
        """Begin nothing more, and wait so long for what was begun; then leave it to others."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._bell.ring()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._keeper.stop()
        self._bell.__exit__(None, None, None)
        busy = [thread for thread in self._threads if thread.is_alive()]
        if busy:
            log.warning("jobs were left unfinished, for another worker", jobs=len(busy))
            with contextlib.suppress(Exception):
                release(self._office, self._names)

    def _run(self, lane: Lane, name: str) -> None:
        self._names.append(name)
        kinds = [kind for kind, what in self._kinds.items() if what.lane is lane]
        while not self._stopping.is_set():
            seen = self._bell.count
            try:
                if lane is Lane.LONG:
                    self._begin_day()
                    self._begin_round()
                if not self._do_one(name, kinds):
                    self._bell.wait(seen, LOOK_SECONDS)
            except Exception as error:
                log.error("no work can be done", reason=type(error).__name__)
                self._stopping.wait(_PAUSE_SECONDS)

    def _begin_day(self) -> None:
        today = self._office.clock().date()
        if self._day != today:
            order_daily(self._office)
            self._day = today

    def _begin_round(self) -> None:
        present = address_round(self._office)
        if self._round != present:
            order_addresses(self._office)
            self._round = present

    def _do_one(self, name: str, kinds: list[str]) -> bool:
        task = claim(self._office, name, kinds, self._keeper.lease)
        if task is None:
            return False
        perform(self._office, self._kinds, self._keeper, task)
        return True


def worker_name() -> str:
    """Return a name that no other worker has: host/process/lot."""
    return f"{socket.gethostname()[:32]}/{os.getpid()}/{secrets.token_hex(6)}"


def _release_the_dead(office: Office) -> None:
    """Free the jobs of processes of this host that have ended: a restart then loses no time.

    If a worker lives after all (in another container of the same name, say) no harm is done:
    it is told when it wants to store something.
    """
    here = socket.gethostname()[:32]
    with office.reading() as work:
        names = holders(work)
    dead = []
    for name in names:
        host, _, rest = name.partition("/")
        process = rest.partition("/")[0]
        if host == here and process.isdecimal() and not _is_alive(int(process)):
            dead.append(name)
    if dead and (freed := release(office, dead)):
        log.info("jobs of workers that died are taken over", jobs=freed)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
