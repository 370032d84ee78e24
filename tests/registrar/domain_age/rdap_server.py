"""A small RDAP server: real HTTP, real sockets, answers by path."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from countersign.transport.certificate import make_self_signed

RDAP = "application/rdap+json"


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = RDAP
    write: Callable[[Any], None] | None = None
    """Writes the body by itself, and may do so badly."""


def domain(name: str, *events: tuple[str, str], **members: Any) -> Answer:
    """An answer about a domain, as registries write it (RFC 9083 §5.3)."""
    document: dict[str, Any] = {
        "rdapConformance": ["rdap_level_0"],
        "objectClassName": "domain",
        "handle": "2138514-TEST",
        "ldhName": name.upper(),
        "entities": [
            {"objectClassName": "entity", "events": [{"eventAction": "registration"}]},
        ],
        "events": [{"eventAction": action, "eventDate": date} for action, date in events],
    }
    return Answer(body=json.dumps(document | members).encode())


def not_found() -> Answer:
    return Answer(404, b'{"errorCode": 404}')


def redirect(url: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": url})


class RdapServer:
    """Listens on a loopback address; a context manager."""

    def __init__(self, *, certificate: Path | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        """Answers by path; others are 404."""
        self.requests: list[str] = []
        self.hosts: list[str] = []
        """The Host field of each request."""
        self.stopping = threading.Event()
        """What an answer that must be slow waits for."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.scheme = "http"
        self.tls = ssl.create_default_context()
        if certificate is not None:
            self._use_tls(certificate)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.scheme == "http" else "localhost"
        return f"{self.scheme}://{host}:{self.port}/"

    def __enter__(self) -> RdapServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _use_tls(self, certificate: Path) -> None:
        certificate.write_bytes(make_self_signed("localhost"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "https"
        self.tls.load_verify_locations(certificate)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.requests.append(self.path)
                owner.hosts.append(self.headers.get("Host", ""))
                answer = owner.answers.get(self.path) or not_found()
                self.close_connection = True
                self.send_response(answer.status)
                if answer.content_type:
                    self.send_header("Content-Type", answer.content_type)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.write is None:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                try:
                    if answer.write is not None:
                        answer.write(self.wfile)
                    else:
                        self.wfile.write(answer.body)
                except OSError:
                    pass  # The client had enough.

            def log_message(self, *_: object) -> None:
                pass

        return Handler
