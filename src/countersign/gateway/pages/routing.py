"""What a page says of itself: its path, and who may come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from starlette.responses import Response

from countersign.gateway.pages.visit import Visit

Method = Literal["GET", "POST"]
Handler = Callable[[Visit], Awaitable[Response]]


class Allow(Enum):
    """Who may come."""

    ANYBODY = "anybody"
    USER = "user"
    """Whoever has signed in: each user sees what is his own."""
    ADMINISTRATOR = "administrator"
    """Users that `countersign users administrator` has named."""


@dataclass(frozen=True, slots=True)
class Page:
    """One method of one path."""

    method: Method
    path: str
    allow: Allow
    handler: Handler


class Pages:
    """The pages of one module, in ``pages``; named in :mod:`countersign.gateway.pages.app`."""

    def __init__(self) -> None:
        self.all: list[Page] = []

    def get(self, path: str, *, allow: Allow) -> Callable[[Handler], Handler]:
        """Declare what shows a page."""
        return self._declare("GET", path, allow)

    def post(self, path: str, *, allow: Allow) -> Callable[[Handler], Handler]:
        """Declare what takes a form; its token has been checked when the handler is called."""
        return self._declare("POST", path, allow)

    def _declare(self, method: Method, path: str, allow: Allow) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            self.all.append(Page(method, path, allow, handler))
            return handler

        return declare
