"""What layers before the API say in plain text, said as problem details (RFC 9457)."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countersign.registrar.api.problems import MEDIA_TYPE, problem

_LONGEST = 4096
"""Octets of a plain answer that are kept."""


class ProblemAnswers:
    """Turns short plain error answers below a path into problem details.

    Too many requests, another host's name, a body that is too large, an accident: the layers
    that say so know nothing of the API.
    """

    def __init__(self, app: ASGIApp, *, below: str) -> None:
        self._app = app
        self._below = f"{below}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope["path"].startswith(self._below):
            await self._app(scope, receive, _Turned(scope, receive, send))
        else:
            await self._app(scope, receive, send)


class _Turned:
    """One request's way back."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._start: Message | None = None
        self._text = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_plain_error(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._text = (self._text + message.get("body", b""))[:_LONGEST]
            if not message.get("more_body", False):
                await self._answer(self._start)

    async def _answer(self, start: Message) -> None:
        detail = self._text.decode(errors="replace").strip()
        response = problem(start["status"], detail)
        kept = MutableHeaders(raw=response.raw_headers)
        for name, value in Headers(raw=start["headers"]).items():
            kept.setdefault(name, value)
        await response(self._scope, self._receive, self._send)


def _is_plain_error(message: Message) -> bool:
    kind = Headers(raw=message["headers"]).get("content-type", "")
    return message["status"] >= 400 and kind != MEDIA_TYPE and not kind.startswith("text/html")
