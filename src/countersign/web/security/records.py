"""Timing and log of each request. Never a query, an address or a name in it."""

from __future__ import annotations

import secrets
import time
import traceback

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countersign.web.security.answers import plain_answer

log = structlog.get_logger()
ROUTE = "countersign.route"
"""Key of the scope under which a page says its path as declared, without its parameters."""


class Records:
    """Logs each request, says in Server-Timing how long it took, catches what nobody expected."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        status = 0

        async def send_timed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                spent = (time.perf_counter() - begin) * 1000
                MutableHeaders(scope=message)["Server-Timing"] = f"app;dur={spent:.1f}"
            await send(message)

        try:
            await self._app(scope, receive, send_timed)
        except Exception as error:
            reference = report(error)
            if status:
                raise
            text = f"Something went wrong on our side. If you write to us, quote {reference}."
            await plain_answer(500, text)(scope, receive, send_timed)
        finally:
            log.info(
                "request",
                method=scope["method"],
                route=scope.get(ROUTE, "-"),
                status=status,
                ms=round((time.perf_counter() - begin) * 1000, 1),
            )


def report(error: BaseException) -> str:
    """Log an error that nobody expected and return the reference to find it by.

    Its kind and where it was raised, not its message: that may quote what somebody entered.
    """
    reference = secrets.token_hex(4)
    places = traceback.extract_tb(error.__traceback__)
    log.error(
        "error",
        reference=reference,
        kind=f"{type(error).__module__}.{type(error).__qualname__}",
        trace=[f"{place.filename}:{place.lineno} {place.name}" for place in places[-12:]],
    )
    return reference
