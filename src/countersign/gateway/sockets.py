"""The sockets that workers inherit: one per worker and address (SO_REUSEPORT)."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

from countersign.gateway.config import Config

_BACKLOG = 4096


class SupervisorError(Exception):
    """The gateway cannot start; the text says what to do."""


@dataclass(slots=True)
class Sockets:
    """Listening sockets by (service, endpoint, worker's index)."""

    open: dict[tuple[str, str, int], socket.socket] = field(default_factory=dict)

    def bind_all(self, config: Config, workers: int) -> None:
        """Open what is wanted and not open yet. Raises :class:`SupervisorError`."""
        for service, endpoint in listeners(config):
            for index in range(workers):
                key = (service, endpoint, index)
                if key not in self.open:
                    self.open[key] = self._bind(service, endpoint, index)

    def close_others(self, config: Config, workers: int) -> None:
        """Close what a new configuration no longer names."""
        wanted = set(listeners(config))
        for key in [key for key in self.open if key[:2] not in wanted or key[2] >= workers]:
            self.open.pop(key).close()

    def close(self) -> None:
        """Close all."""
        for one in self.open.values():
            one.close()
        self.open.clear()

    def of(self, index: int, config: Config) -> list[tuple[str, int]]:
        """Return a worker's (service, descriptor) pairs."""
        return [
            (service, self.open[service, endpoint, index].fileno())
            for service, endpoint in listeners(config)
        ]

    def _bind(self, service: str, endpoint: str, index: int) -> socket.socket:
        if endpoint.startswith("unix:") and index > 0:
            # A path can be bound once: all workers share one queue.
            return self.open[service, endpoint, 0].dup()
        try:
            return _listen(endpoint)
        except OSError as error:
            raise SupervisorError(_advice(service, endpoint, error)) from error


def listeners(config: Config) -> list[tuple[str, str]]:
    """Return (service, endpoint) for each address to listen on."""
    found = []
    if config.receiving.enabled:
        found += [("receiving", endpoint) for endpoint in config.receiving.listen]
    if config.sending.enabled:
        found += [("sending", endpoint) for endpoint in config.sending.listen]
    if config.submission.enabled:
        found += [("submission", endpoint) for endpoint in config.submission.listen]
        found += [("submissions", endpoint) for endpoint in config.submission.listen_tls]
    if config.milter.enabled:
        found += [("milter", endpoint) for endpoint in config.milter.listen]
    return found


def _listen(endpoint: str) -> socket.socket:
    if endpoint.startswith("unix:"):
        return _listen_unix(Path(endpoint.removeprefix("unix:")))
    host, _, port = endpoint.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host.strip("[]"), int(port)))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _listen_unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        # Who asks there runs as another user: the group decides, which the directory may give.
        path.chmod(0o660)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _advice(service: str, endpoint: str, error: OSError) -> str:
    advice = {
        13: "ports below 1024 need root or CAP_NET_BIND_SERVICE (see countersign setup systemd)",
        98: "another program listens there: stop it, or move it behind the gateway",
        99: "this host has no such address",
    }.get(error.errno or 0, "check the setting")
    if endpoint.startswith("unix:"):
        advice = (
            "the gateway must be allowed to write in the socket's directory, which must be there "
            "(countersign setup postfix, and setup systemd, say how)"
        )
    setting = {"submissions": "submission.listen_tls"}.get(service, f"{service}.listen")
    return f"{setting} {endpoint}: {error.strerror or error}; {advice}"
