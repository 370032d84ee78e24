"""Prometheus metrics of a registrar: read from the database when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import select

from countersign.registrar.jobs.queue import counts
from countersign.registrar.mailbox import metrics as mailbox_metrics
from countersign.registrar.operations.office import Office
from countersign.registrar.primary.metrics import ZoneCollector, collect_files
from countersign.storage.database.publication import StateCount


class RegistrarCollector(Collector):
    """Counts jobs and servers. The same figures from whichever process is asked."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def collect(self) -> Iterator[Metric]:
        """Give the metrics as they are now."""
        jobs = GaugeMetricFamily(
            "countersign_registrar_jobs",
            "Jobs that are due, due later, being done, or given up",
            labels=["state"],
        )
        servers = GaugeMetricFamily(
            "countersign_registrar_servers", "Servers in each state", labels=["state"]
        )
        with self._office.reading() as work:
            for state, number in counts(work).items():
                jobs.add_metric([state], number)
            for row in work.session.scalars(select(StateCount)):
                servers.add_metric([str(row.state)], row.servers)
        yield jobs
        yield servers

    def describe(self) -> list[Metric]:
        """Return nothing: the names are known from collecting only."""
        return []


def serve_metrics(office: Office, registry: CollectorRegistry | None = None) -> Callable[[], None]:
    """Serve /metrics where the configuration says, if at all; returns what stops it.

    registry: with what this process counts itself; default: with what the primary and the
    test mailbox beside it count. Raises :class:`OSError` and :class:`ValueError` for an address
    that cannot be used.
    """
    endpoint = office.config.metrics.listen
    if not endpoint:
        return lambda: None
    host, _, port = endpoint.rpartition(":")
    if endpoint.startswith("unix:"):
        raise ValueError("metrics.listen is written ADDRESS:PORT")
    if registry is None:
        registry = CollectorRegistry()
        collect_files(office.config, registry)
        mailbox_metrics.collect_files(office.config, registry)
    registry.register(RegistrarCollector(office))
    registry.register(ZoneCollector(office))
    server, _thread = start_http_server(int(port), host.strip("[]"), registry=registry)
    return server.shutdown
