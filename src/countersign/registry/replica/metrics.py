"""Prometheus metrics of a replica: in the gateway's directory, or at an address of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_NAMESPACE = "countersign_replica"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)


class ReplicaMetrics:
    """The figures of one puller. Labels take values from code only, never from the wire."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._questions = self._counter("questions", "Questions for the serial", "outcome")
        self._notifies = self._counter("notifies", "NOTIFY messages", "outcome")
        self._transfers = self._counter("transfers", "Transfers ended", "kind", "outcome")
        self._checks = self._counter("checks", "Checks of the whole copy", "outcome")
        self._changes = self._counter("changed_records", "Records that came or went")
        self._lag = Histogram(
            "lag_seconds",
            "Seconds from a serial's first being seen to its being served",
            namespace=_NAMESPACE,
            registry=registry,
            buckets=_SECONDS,
        )
        # Those that are dropped with their process cannot be taken for the present.
        self._serial = self._gauge("serial", "Serial of the copy", "mostrecent")
        self._records = self._gauge("records", "Records in the copy", "mostrecent")
        self._age = self._gauge(
            "age_seconds", "Seconds since a primary last confirmed the copy", "livemostrecent"
        )
        self._checked = self._gauge(
            "confirmed_timestamp_seconds", "When a primary last confirmed the copy", "mostrecent"
        )
        self._faulty = self._gauge("fault", "1 while something is wrong", "livemostrecent")

    def asked(self, outcome: str) -> None:
        """Count a question to a primary."""
        self._questions.labels(outcome).inc()

    def notified(self, outcome: str) -> None:
        """Count a NOTIFY."""
        self._notifies.labels(outcome).inc()

    def transferred(self, kind: str, outcome: str, changes: int = 0) -> None:
        """Count a transfer, and the records that it changed."""
        self._transfers.labels(kind, outcome).inc()
        self._changes.inc(changes)

    def checked(self, outcome: str) -> None:
        """Count a check of the whole copy."""
        self._checks.labels(outcome).inc()

    def caught_up(self, lag: float) -> None:
        """Note how many seconds a new serial took."""
        self._lag.observe(lag)

    def holds(self, serial: int, records: int, checked_at: float, now: float) -> None:
        """Note what the copy is. Times are Unix seconds."""
        self._serial.set(serial)
        self._records.set(records)
        self._checked.set(checked_at)
        self._age.set(max(0.0, now - checked_at))

    def fault(self, is_faulty: bool) -> None:
        """Note whether something is wrong."""
        self._faulty.set(is_faulty)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_NAMESPACE, registry=self._registry)

    def _gauge(self, name: str, text: str, mode: str) -> Gauge:
        return Gauge(
            name,
            text,
            namespace=_NAMESPACE,
            registry=self._registry,
            multiprocess_mode=mode,  # type: ignore[arg-type]
        )
