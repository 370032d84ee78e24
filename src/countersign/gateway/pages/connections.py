"""One connection to the pages: HTTP/1.1, with an end to patience."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

LOOK_SECONDS = 15.0
"""How often it is looked whether a connection is of use: who sends a request has so long."""


class Connection(H11Protocol):
    """Closes connections on which no request comes, or none that ends.

    uvicorn itself waits for ever for a request's first line and header.
    """

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._looking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._looking = self.loop.call_later(LOOK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """End it."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        # While a request is being answered, what bounds it are the time-outs of the pages.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
            return
        self._looking = self.loop.call_later(LOOK_SECONDS, self._look)
