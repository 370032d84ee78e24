"""A TCP connection to a primary (RFC 7766): blocking, for a thread, and bounded on every side."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.replica.settings import ReplicaSettings, split_endpoint

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a transfer may cost."""

    seconds: float
    idle_seconds: float
    """Between two pieces; also for the connection."""
    octets: int
    least_rate: int = 0
    """Octets a second on average, once ``idle_seconds`` are over."""

    @classmethod
    def of(cls, settings: ReplicaSettings) -> Bounds:
        """Return what the settings allow."""
        return cls(
            settings.transfer_timeout,
            settings.idle_timeout,
            settings.max_octets,
            settings.minimum_rate,
        )


class Stopper:
    """Ends, from any thread, what a line of another thread waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.is_stopped = False

    def stop(self) -> None:
        """Break the line that is open, and any that is opened later."""
        with self._lock:
            self.is_stopped = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def check(self, _done: int = 0) -> None:
        """Raise :class:`ReplicaError` when all is to stop; given how much was done since."""
        if self.is_stopped:
            raise ReplicaError(Fault.STOPPED, "told to stop")

    def watch(self, sock: socket.socket | None) -> None:
        """Name the socket to break. Raises :class:`ReplicaError` when all is to stop."""
        with self._lock:
            self._socket = sock
            if sock is not None:
                self.check()


class Line:
    """One connection: messages with their length before them."""

    def __init__(
        self,
        endpoint: str,
        source: str,
        bounds: Bounds,
        stopper: Stopper,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect. Raises :class:`ReplicaError`."""
        self._bounds = bounds
        self._stopper = stopper
        self._clock = clock
        self._began = clock()
        self._deadline = self._began + bounds.seconds
        self._held = bytearray()
        self._octets = 0
        host, port = split_endpoint(endpoint)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Before it is connected: a primary that is silent must not hold up the end.
            stopper.watch(self._socket)
            self._connect((host, port), source)
        except BaseException:
            stopper.watch(None)
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopper.watch(None)
        self._socket.close()

    def _connect(self, endpoint: tuple[str, int], source: str) -> None:
        try:
            self._socket.settimeout(self._patience())
            if source:
                self._socket.bind((source, 0))
            self._socket.connect(endpoint)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise self._broken(error) from error

    def send(self, message: bytes) -> None:
        """Send one message. Raises :class:`ReplicaError`."""
        try:
            self._socket.settimeout(self._patience())
            self._socket.sendall(len(message).to_bytes(2, "big") + message)
        except OSError as error:
            raise self._broken(error) from error

    def messages(self) -> Iterator[bytes]:
        """Give messages as they come, without end. Raises :class:`ReplicaError`."""
        while True:
            yield self._take(int.from_bytes(self._take(2), "big"))

    def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            self._held += self._receive()
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _receive(self) -> bytes:
        try:
            self._socket.settimeout(self._patience())
            piece = self._socket.recv(_PIECE)
        except OSError as error:
            raise self._broken(error) from error
        self._octets += len(piece)
        if self._octets > self._bounds.octets:
            raise ReplicaError(Fault.TOO_BIG, "the transfer has more octets than max_octets")
        late = self._clock() - self._began - self._bounds.idle_seconds
        if self._octets < late * self._bounds.least_rate:
            raise ReplicaError(Fault.TOO_SLOW, "the primary sends slower than minimum_rate")
        if not piece:
            raise self._broken(ConnectionResetError("the primary has closed the connection"))
        return piece

    def _patience(self) -> float:
        left = self._deadline - self._clock()
        if left <= 0:
            raise self._too_long()
        return min(left, self._bounds.idle_seconds)

    def _too_long(self) -> ReplicaError:
        return ReplicaError(Fault.TOO_SLOW, "the transfer took longer than transfer_timeout")

    def _broken(self, error: OSError) -> ReplicaError:
        if self._stopper.is_stopped:
            return ReplicaError(Fault.STOPPED, "told to stop")
        if isinstance(error, TimeoutError) and self._clock() >= self._deadline:
            return self._too_long()
        return _broken(error)


def _broken(error: OSError) -> ReplicaError:
    if isinstance(error, TimeoutError):
        return ReplicaError(Fault.TOO_SLOW, "the primary did not answer in time")
    return ReplicaError(Fault.UNREACHABLE, f"no connection: {error.strerror or error}")
