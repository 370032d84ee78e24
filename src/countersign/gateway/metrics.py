"""Prometheus metrics of a worker, and the files through which the supervisor reads them.

prometheus-client writes a process's values to memory-mapped files when the environment
variable PROMETHEUS_MULTIPROC_DIR is set *before it is imported*; the supervisor sets it for
its workers. Without it (tests, tools) the values stay in the process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_NAMESPACE = "countersign"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)


class Metrics:
    """The counters of one process. Labels take values from code only, never from the wire."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """``registry``: default, one of its own, so that tests may make many."""
        self.registry = registry or CollectorRegistry()
        self._connections = self._counter("connections", "Connections accepted", "service")
        self._open = Gauge(
            "connections_open",
            "Connections open now",
            ("service",),
            namespace=_NAMESPACE,
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._refusals = self._counter("refusals", "Clients or commands refused", "reason")
        self._verifications = self._counter("verifications", "Verifications ended", "outcome")
        self._seconds = Histogram(
            "verification_seconds",
            "Seconds that a verification took",
            namespace=_NAMESPACE,
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._stale = self._counter(
            "stale_verifications", "Verifications by a copy of the registry past its age limit"
        )
        self._callbacks = self._counter("callbacks", "Callbacks made to claimed hosts", "outcome")
        self._questions = self._counter("questions", "Questions answered as claimed host", "answer")
        self._messages = self._counter("messages", "Messages ended", "service", "outcome")
        self._octets = self._counter("message_octets", "Octets of messages", "service")
        self._blocks = self._counter("blocks", "Addresses blocked")
        self._deliveries = self._counter("deliveries", "Recipients delivered or not", "outcome")
        self._sign_ins = self._counter("sign_ins", "Sign-ins of users ended", "outcome")
        self._submissions = self._counter(
            "submissions", "Messages that users submitted", "front", "outcome"
        )
        self._submitted_recipients = self._counter(
            "submitted_recipients",
            "Recipients of messages that users submitted",
            "front",
            "outcome",
        )
        self._locks = self._counter("account_locks", "Accounts locked by the daily limit")
        # Looking a labelled child up costs several times what adding to it does.
        self._child = cache(Counter.labels)
        self._open_child = cache(self._open.labels)

    def connected(self, service: str) -> None:
        """Count a connection that was accepted."""
        self._child(self._connections, service).inc()
        self._open_child(service).inc()

    def disconnected(self, service: str) -> None:
        """Note that a connection has ended."""
        self._open_child(service).dec()

    def refusal(self, reason: str) -> None:
        """Count a client, or a command, that was refused."""
        self._child(self._refusals, reason).inc()

    def verified(self, outcome: str, seconds: float, *, is_stale: bool = False) -> None:
        """Count a verification, and how many seconds it took."""
        self._child(self._verifications, outcome).inc()
        self._seconds.observe(seconds)
        if is_stale:
            self._stale.inc()

    def called_back(self, outcome: str) -> None:
        """Count a callback to a claimed host (DESIGN §3.3)."""
        self._child(self._callbacks, outcome).inc()

    def answered(self, answer: str) -> None:
        """Count a question that this host answered as the claimed host."""
        self._child(self._questions, answer.lower()).inc()

    def message(self, service: str, outcome: str, octets: int) -> None:
        """Count a message that was taken or refused after its data, and its octets."""
        self._child(self._messages, service, outcome).inc()
        self._child(self._octets, service).inc(octets)

    def blocked(self) -> None:
        """Count an address that was blocked (DESIGN §3.6)."""
        self._blocks.inc()

    def delivered(self, outcome: str, recipients: int = 1) -> None:
        """Count recipients whose delivery to a receiver ended."""
        self._child(self._deliveries, outcome).inc(recipients)

    def signed_in(self, outcome: str) -> None:
        """Count a sign-in that ended, well or not (DESIGN §5)."""
        self._child(self._sign_ins, outcome).inc()

    def submitted(self, front: str, outcome: str, recipients: int) -> None:
        """Count a message that a user submitted, passed on or not, and its recipients."""
        self._child(self._submissions, front, outcome).inc()
        self._child(self._submitted_recipients, front, outcome).inc(recipients)

    def locked(self) -> None:
        """Count an account that was locked by the daily limit."""
        self._locks.inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_NAMESPACE, registry=self.registry)


def prepare_directory(directory: Path) -> None:
    """Make the workers' directory, empty of an earlier run's files. Raises :class:`OSError`."""
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink(missing_ok=True)


def forget_worker(directory: Path, pid: int) -> None:
    """Drop the gauges of a worker that has ended; its counters go on counting."""
    with contextlib.suppress(OSError):
        mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def collect(directory: Path) -> bytes:
    """Return the sum over all workers in the text exposition format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def serve(address: str, port: int, directory: Path) -> Callable[[], None]:
    """Serve /metrics over HTTP; returns what stops it. Raises :class:`OSError`."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    server, _ = start_http_server(port, address, registry=registry)
    return server.shutdown
