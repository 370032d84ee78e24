"""Refuse requests that are meant for another host (DNS rebinding, poisoned links)."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from countersign.web.security.answers import plain_answer
from countersign.web.site import Site


class HostCheck:
    """Passes on what names the website's own host, and what comes to the path that is free."""

    def __init__(self, app: ASGIApp, *, site: Site, free: str | None = None) -> None:
        self._app = app
        self._site = site
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 421."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "").lower()
        default = ":443" if self._site.secure else ":80"
        if host.removesuffix(default) != self._site.host and scope["path"] != self._free:
            answer = plain_answer(421, f"This website's address is {self._site.origin}/")
            await answer(scope, receive, send)
            return
        scope["scheme"] = "https" if self._site.secure else "http"
        await self._app(scope, receive, send)
