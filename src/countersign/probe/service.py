"""A probe as a process: it asks for orders, carries them out, and delivers the results."""

from __future__ import annotations

import asyncio
import datetime
import signal

import structlog
import uvloop

from countersign.certification.standpoint import Standpoint
from countersign.probe.client import RegistrarClient
from countersign.probe.config import ProbeConfig
from countersign.probe.delivering import Delivery
from countersign.probe.enrolment import KeyFile, enrolled
from countersign.probe.keeping import Keeping
from countersign.probe.metrics import ProbeMetrics
from countersign.probe.orders import Orders
from countersign.probe.polling import Polling
from countersign.probe.reporting import Reporting
from countersign.probe.web_address import checked_registrar

log = structlog.get_logger()

FINISHING_SECONDS = 30
"""How long a stop waits for orders that are worked on; they are begun again at the next start."""


def run_probe(config: ProbeConfig) -> None:
    """Work until SIGTERM or SIGINT. Raises :class:`~countersign.probe.errors.ProbeError`."""
    key_file = enrolled(config)
    keeping = Keeping(config.state_directory)
    metrics = ProbeMetrics()
    with (
        keeping.alone(),
        metrics.served(config.metrics.listen),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_run(config, key_file, keeping, metrics))
    log.info("probe has stopped")


async def _run(
    config: ProbeConfig, key_file: KeyFile, keeping: Keeping, metrics: ProbeMetrics
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    registrar = config.registrar or key_file.registrar
    url = checked_registrar(registrar, insecure_http=config.insecure_http)
    standpoint = Standpoint(config.standing)
    client = RegistrarClient(url, config.ca, probe=key_file.id, key=key_file.key)
    async with client:
        report = Reporting(config.state_directory, url, client, metrics)
        delivery = Delivery(client, keeping, report)
        orders = Orders(key_file, standpoint, keeping, delivery, report)
        log.info(
            "probe",
            registrar=url,
            probe=key_file.id,
            name=key_file.name,
            key=key_file.fingerprint,
        )
        delivery.take_up()
        orders.take_up(datetime.datetime.now(datetime.UTC))
        await Polling(client, orders, delivery, report, config.concurrency).run(stop)
        await _finish(orders, delivery)
        report.write(now=True)


async def _finish(orders: Orders, delivery: Delivery) -> None:
    """Let what is at work end, for a while; what does not is kept on the disk."""
    deadline = asyncio.get_running_loop().time() + FINISHING_SECONDS
    log.info("probe stops", at_work=orders.count, undelivered=delivery.count)
    await orders.finish(deadline)
    await delivery.finish(deadline)
