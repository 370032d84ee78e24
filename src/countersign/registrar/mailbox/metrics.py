"""Prometheus metrics of the test mailbox."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter

from countersign.registrar.beside.metrics import collect_directory
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.state import state_directory

_NAMESPACE = "countersign_mailbox"


class MailboxMetrics:
    """The counters of one process. Labels take values from code only, never from the wire."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """``registry``: default, one of its own, so that tests may make many."""
        self.registry = registry or CollectorRegistry()
        self._connections = self._counter("connections", "Connections accepted")
        self._refusals = self._counter("refusals", "Connections refused", "reason")
        self._arrivals = self._counter("arrivals", "Messages of tests, by what they prove", "kind")
        self._tests = self._counter("sending_tests", "Results of tests of senders", "verdict")
        self._failures = self._counter("failures", "Messages that could not be kept at once")

    def connected(self, _service: str, /) -> None:
        """Count a connection that was accepted."""
        self._connections.inc()

    def disconnected(self, _service: str, /) -> None:
        """Do nothing: what is open now is nobody's question here."""

    def refusal(self, reason: str, /) -> None:
        """Count a connection that was refused."""
        self._refusals.labels(reason).inc()

    def arrived(self, kind: str) -> None:
        """Count a message; kind: relayed or bounced."""
        self._arrivals.labels(kind).inc()

    def tested(self, verdict: str) -> None:
        """Count a result of a sending test."""
        self._tests.labels(verdict).inc()

    def failed(self) -> None:
        """Count a message that could not be kept, as the database was away."""
        self._failures.inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_NAMESPACE, registry=self.registry)


def metrics_directory(config: RegistrarConfig) -> Path:
    """Return where the mailbox's counters are for the service to read."""
    return state_directory(config) / "mailbox-metrics"


def collect_files(config: RegistrarConfig, registry: CollectorRegistry) -> None:
    """Let a registry show what the mailbox beside this service counts."""
    collect_directory(metrics_directory(config), registry)
