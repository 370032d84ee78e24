"""Prometheus metrics of the primary.

Its counters are in memory-mapped files where the service reads them (see `beside/`), or, in a
process of its own that serves /metrics itself, in the process. What the database knows, how far
each secondary is, whoever is asked reads there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from countersign.registrar.beside.metrics import collect_directory
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations.office import Office
from countersign.registrar.queries.secondaries import statuses, zone_status
from countersign.registrar.state import state_directory

_NAMESPACE = "countersign_primary"


class PrimaryMetrics:
    """The counters of one process. Labels take values from code only, never from the wire."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """``registry``: default, one of its own, so that tests may make many."""
        self.registry = registry or CollectorRegistry()
        self._questions = self._counter("questions", "Questions, by what became of them", "outcome")
        self._transfers = self._counter("transfers", "Transfers ended", "kind", "outcome")
        self._octets = self._counter("transfer_octets", "Octets of transfers", "kind")
        self._notifies = self._counter("notifies", "NOTIFY dialogues ended", "outcome")
        self._checks = self._counter("checks", "Secondaries asked for their serial", "outcome")

    def question(self, outcome: str) -> None:
        """Count a question: answered, refused, unsigned, limited or dropped."""
        self._questions.labels(outcome).inc()

    def transfer(self, kind: str, outcome: str, octets: int) -> None:
        """Count a transfer; kind: axfr or ixfr; outcome: sent, aborted or refused."""
        self._transfers.labels(kind, outcome).inc()
        self._octets.labels(kind).inc(octets)

    def notified(self, outcome: str) -> None:
        """Count a NOTIFY: acknowledged, refused or unanswered."""
        self._notifies.labels(outcome).inc()

    def checked(self, outcome: str) -> None:
        """Count a question for a secondary's serial: answered, refused or unanswered."""
        self._checks.labels(outcome).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_NAMESPACE, registry=self.registry)


class ZoneCollector(Collector):
    """What is published, and how far each secondary is: from the database."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def collect(self) -> Iterator[Metric]:
        """Give the metrics as they are now."""
        serial = GaugeMetricFamily("countersign_zone_serial", "Serial of what is published")
        records = GaugeMetricFamily("countersign_zone_records", "Records of the zone")
        behind = GaugeMetricFamily(
            "countersign_secondary_lag_versions", "Versions that it lacks", labels=["secondary"]
        )
        seconds = GaugeMetricFamily(
            "countersign_secondary_lag_seconds",
            "Seconds since the first version that it lacks was published",
            labels=["secondary"],
        )
        with self._office.reading() as work:
            zone = zone_status(work)
            if zone is not None:
                serial.add_metric([], zone.serial)
                records.add_metric([], zone.records)
            for status in statuses(work):
                if status.lag is not None:
                    behind.add_metric([status.secondary.name], status.lag.versions)
                    seconds.add_metric([status.secondary.name], status.lag.seconds)
        yield from (serial, records, behind, seconds)

    def describe(self) -> list[Metric]:
        """Return nothing: the names are known from collecting only."""
        return []


def metrics_directory(config: RegistrarConfig) -> Path:
    """Return where the primary's counters are for the service to read."""
    return state_directory(config) / "primary-metrics"


def collect_files(config: RegistrarConfig, registry: CollectorRegistry) -> None:
    """Let a registry show what the primary beside this service counts."""
    collect_directory(metrics_directory(config), registry)
