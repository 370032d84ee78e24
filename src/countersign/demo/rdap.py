"""The demo's domain registry: it tells since when a domain is registered (RFC 9083)."""

from __future__ import annotations

import datetime
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RdapServer:
    """Answers `domain/NAME` over HTTP, in threads of its own."""

    def __init__(self, address: str, port: int, domains: dict[str, datetime.date]) -> None:
        """Listen. Raises :class:`OSError`."""
        self.url = f"http://{address}:{port}/"
        self._server = ThreadingHTTPServer((address, port), _handler(domains))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _handler(domains: dict[str, datetime.date]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2].lower()
            registered_on = domains.get(name)
            answer = {
                "objectClassName": "domain",
                "ldhName": name,
                "events": [
                    {"eventAction": "registration", "eventDate": f"{registered_on}T00:00:00Z"}
                ],
            }
            body = json.dumps(answer if registered_on else {"errorCode": 404}).encode()
            self.send_response(200 if registered_on else 404)
            self.send_header("Content-Type", "application/rdap+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
