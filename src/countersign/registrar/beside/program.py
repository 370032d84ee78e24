"""The own side of a process that the service starts, and what it shares with one that runs alone.

See `process.py` for what the two say to each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.metrics import serve_metrics
from countersign.registrar.opening import OpeningError, open_office
from countersign.registrar.operations.office import Office
from countersign.settings.log import configure_log

Ready = Callable[[list[str]], None]
"""Called with the addresses, ADDRESS:PORT each, once they are listened on."""


class Run(Protocol):
    """Serves until it is told to stop. May raise :class:`OpeningError`."""

    def __call__(
        self,
        office: Office,
        *,
        ready: Ready,
        registry: CollectorRegistry | None,
        lifeline: int | None,
    ) -> None:
        """registry: for what it counts; None: the process's files. lifeline: see `stopping`."""


def run_child(name: str, run: Run) -> int:
    """Run a process that the service has started; return the exit status."""
    line = sys.stdin.buffer.readline()
    if not line:
        return 1
    config = RegistrarConfig.model_validate_json(line)
    configure_log(config.log, **{name: True})
    # Whatever prints must not get between us and the service.
    report = os.dup(1)
    os.dup2(2, 1)

    def say(**said: object) -> None:
        os.write(report, json.dumps(said).encode() + b"\n")
        os.close(report)

    try:
        office = open_office(config)
        try:
            run(
                office,
                ready=lambda addresses: say(listening=addresses),
                registry=None,
                lifeline=sys.stdin.fileno(),
            )
        finally:
            office.database.close()
    except OpeningError as error:
        say(error=str(error))
        return 1
    return 0


def run_alone(config: RegistrarConfig, run: Run, ready: Ready | None = None) -> None:
    """Run the same as a program of its own until SIGTERM or SIGINT, with its own /metrics.

    Raises :class:`OpeningError`.
    """
    office = open_office(config)
    registry = CollectorRegistry()
    try:
        try:
            stop_metrics = serve_metrics(office, registry)
        except (OSError, ValueError) as error:
            raise OpeningError(
                f"metrics.listen {config.metrics.listen}: {error}; if the service of this host "
                "serves metrics there, give this process a configuration with another address"
            ) from error
        try:
            run(office, ready=ready or (lambda _: None), registry=registry, lifeline=None)
        finally:
            stop_metrics()
    finally:
        office.database.close()


@contextlib.asynccontextmanager
async def stopping(lifeline: int | None) -> AsyncIterator[asyncio.Event]:
    """Give an event that happens when it is time to stop: SIGTERM, or SIGINT.

    lifeline: a descriptor; it is time too when what it reads from ends, and SIGINT is then its
    other end's affair.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C reaches the whole foreground group: the service decides what it means.
    loop.add_signal_handler(signal.SIGINT, stop.set if lifeline is None else lambda: None)
    if lifeline is not None:
        loop.add_reader(lifeline, stop.set)
    try:
        yield stop
    finally:
        if lifeline is not None:
            loop.remove_reader(lifeline)


async def first_of(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait until it is time to stop. A part that ends by itself is a fault: raises what it did."""
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done:
        task.result()
