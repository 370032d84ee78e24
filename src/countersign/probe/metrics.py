"""Prometheus metrics of a probe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from countersign.probe.errors import ProbeError

_NAMESPACE = "countersign_probe"


class ProbeMetrics:
    """What a probe counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._orders = self._counter("orders", "Orders that came", "outcome")
        self._batteries = self._counter("batteries", "Batteries ended", "verdict")
        self._results = self._counter("results", "Results delivered or given up", "outcome")
        self._errors = self._counter("errors", "Requests that the registrar did not answer well")
        self._at_work = self._gauge("orders_at_work", "Orders that are worked on now")
        self._undelivered = self._gauge("results_undelivered", "Results that are kept here")
        self._asked = self._gauge("asked_seconds", "When the registrar last answered, Unix seconds")

    def order(self, outcome: str) -> None:
        """Count an order: taken, or refused."""
        self._orders.labels(outcome).inc()

    def battery(self, verdict: str) -> None:
        """Count a battery that has ended."""
        self._batteries.labels(verdict).inc()

    def result(self, outcome: str) -> None:
        """Count a result: delivered, or given up."""
        self._results.labels(outcome).inc()

    def error(self) -> None:
        """Count a request that went wrong."""
        self._errors.inc()

    def holds(self, at_work: int, undelivered: int, asked_at: float) -> None:
        """Note what there is now. asked_at: Unix seconds."""
        self._at_work.set(at_work)
        self._undelivered.set(undelivered)
        self._asked.set(asked_at)

    @contextmanager
    def served(self, endpoint: str) -> Iterator[None]:
        """Serve /metrics during the block; empty: do not. Raises :class:`ProbeError`."""
        if not endpoint:
            yield
            return
        host, _, port = endpoint.rpartition(":")
        if endpoint.startswith("unix:"):
            raise ProbeError("metrics.listen is written ADDRESS:PORT")
        try:
            server, _ = start_http_server(int(port), host.strip("[]"), registry=self.registry)
        except (OSError, ValueError) as error:
            raise ProbeError(f"metrics.listen {endpoint}: {error}") from error
        try:
            yield
        finally:
            server.shutdown()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, namespace=_NAMESPACE, registry=self.registry)
