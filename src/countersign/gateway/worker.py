"""A worker process: serves sockets that it inherits from the supervisor, until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
import uvloop

from countersign.gateway.config import Config
from countersign.gateway.parts import Parts, open_parts
from countersign.gateway.service import Listening, ListensItself, Service
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

SWEEP_SECONDS = 30.0
BACKLOG = 4096
ServiceFactory = Callable[[Parts], Service]


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a worker has from its supervisor, as file descriptors."""

    sockets: tuple[tuple[str, int], ...]
    """(name of the service, descriptor of a listening socket)."""
    ready: int
    """A pipe to write one octet to when all services have started."""
    lifeline: int
    """A pipe whose end means that the supervisor is gone."""


def run_worker(
    config: Config, inherited: Inherited, factories: dict[str, ServiceFactory] | None = None
) -> None:
    """Serve until SIGTERM. Raises what opening the parts raises."""
    uvloop.run(_work(config, inherited, factories or default_factories()))


def default_factories() -> dict[str, ServiceFactory]:
    """Return the gateway's services by name."""
    return {
        "receiving": _receiving,
        "sending": _sending,
        "submission": _submission,
        "submissions": _submissions,
        "milter": _milter,
    }


# Each is imported where it is made: a worker holds only what it serves.


def _receiving(parts: Parts) -> Service:
    from countersign.gateway.receiving.service import ReceivingService

    return ReceivingService(parts)


def _sending(parts: Parts) -> Service:
    from countersign.gateway.sending.service import SendingService

    return SendingService(parts)


def _submission(parts: Parts) -> Service:
    from countersign.gateway.submission.service import SubmissionService

    return SubmissionService(parts)


def _submissions(parts: Parts) -> Service:
    from countersign.gateway.submission.service import SubmissionsService

    return SubmissionsService(parts)


def _milter(parts: Parts) -> Service:
    from countersign.gateway.milter.service import MilterService

    return MilterService(parts)


async def _work(config: Config, inherited: Inherited, factories: dict[str, ServiceFactory]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C reaches the whole foreground group: the supervisor alone decides what it means.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    loop.add_reader(inherited.lifeline, _on_lifeline, inherited.lifeline, stop)
    parts = open_parts(config)
    services = {name: factories[name](parts) for name, _ in inherited.sockets}
    for service in services.values():
        await service.start()
    servers = [
        await _listen(services[name], socket.socket(fileno=descriptor))
        for name, descriptor in inherited.sockets
    ]
    sweeping = asyncio.create_task(_sweep(parts))
    os.write(inherited.ready, b"\n")
    os.close(inherited.ready)
    await stop.wait()
    log.info("draining")
    for server in servers:
        server.close()
    await asyncio.gather(*(one.drain(config.shutdown_timeout) for one in services.values()))
    sweeping.cancel()
    await parts.close()


async def _listen(service: Service, listener: socket.socket) -> Listening:
    if isinstance(service, ListensItself):
        return service.listen(listener)
    loop = asyncio.get_running_loop()
    return await loop.create_server(service.protocol, sock=listener, backlog=BACKLOG)


def _on_lifeline(descriptor: int, stop: asyncio.Event) -> None:
    if not os.read(descriptor, 1):
        asyncio.get_running_loop().remove_reader(descriptor)
        stop.set()


async def _sweep(parts: Parts) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            swept = await parts.tables.sweep(time.time())
        except TablesUnavailableError as error:
            log.warning("tables not swept", reason=str(error))
        else:
            if swept:
                log.debug("tables swept", rows=swept)
