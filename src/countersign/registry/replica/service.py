"""A replica as a process: by itself, or beside a gateway's workers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import CollectorRegistry, start_http_server

from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.replica.metrics import ReplicaMetrics
from countersign.registry.replica.notify import NotifyListener
from countersign.registry.replica.puller import Puller
from countersign.registry.replica.settings import ReplicaConfig, split_endpoint
from countersign.registry.transfer.keys import TsigKey, TsigKeyError, key_file
from countersign.registry.zone.names import zone_wire

log = structlog.get_logger()


def run_replica(config: ReplicaConfig, *, lifeline: int | None = None) -> None:
    """Keep the copy up to date until SIGTERM or SIGINT.

    lifeline: a pipe whose end means that the supervisor is gone. Raises :class:`ReplicaError`,
    which says what to do.
    """
    asyncio.run(_run(config, lifeline))


async def _run(config: ReplicaConfig, lifeline: int | None) -> None:
    stop = asyncio.Event()
    _hear_signals(stop, lifeline)
    key = load_key(config)
    registry = CollectorRegistry()
    metrics = ReplicaMetrics(registry)
    puller = Puller(config, key, metrics)
    settings = config.replica
    listener = NotifyListener(
        zone_wire(config.zone),
        key,
        [split_endpoint(endpoint)[0] for endpoint in settings.primaries],
        puller.notified,
        metrics.notified,
    )
    with _serving_metrics(config, registry):
        try:
            heard = await listener.start(settings.notify_listen)
            log.info("replica", zone=config.zone, primaries=settings.primaries, notify=heard)
            await puller.run(stop)
        finally:
            await listener.stop()
    log.info("replica has stopped")


def load_key(config: ReplicaConfig) -> TsigKey:
    """Return the TSIG key. Raises :class:`ReplicaError`."""
    if not config.replica.primaries or config.replica.key_file is None:
        raise ReplicaError(Fault.LOCAL, "replica.primaries must name where to transfer from")
    try:
        return key_file(config.replica.key_file)
    except TsigKeyError as error:
        raise ReplicaError(Fault.LOCAL, f"replica.key_file: {error}") from error


def _hear_signals(stop: asyncio.Event, lifeline: int | None) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if lifeline is None:
        loop.add_signal_handler(signal.SIGINT, stop.set)
        # By default it would end the process, and no service manager would start it again.
        loop.add_signal_handler(
            signal.SIGHUP,
            lambda: log.warning("SIGHUP passed over: restart the replica for new settings"),
        )
        return
    # Ctrl-C reaches the whole foreground group: the supervisor alone decides what it means.
    for number in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: None)

    def readable() -> None:
        if not os.read(lifeline, 1):
            loop.remove_reader(lifeline)
            stop.set()

    loop.add_reader(lifeline, readable)


@contextmanager
def _serving_metrics(config: ReplicaConfig, registry: CollectorRegistry) -> Iterator[None]:
    endpoint = config.metrics.listen
    if not endpoint:
        yield
        return
    try:
        host, port = split_endpoint(endpoint)
        server, _ = start_http_server(port, host, registry=registry)
    except (OSError, ValueError) as error:
        raise ReplicaError(Fault.LOCAL, f"metrics.listen {endpoint}: {error}") from error
    try:
        yield
    finally:
        server.shutdown()
