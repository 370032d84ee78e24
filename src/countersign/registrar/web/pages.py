"""How a module of the website declares its pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from starlette.responses import Response

from countersign.registrar.web.access import Access, Kind, UndeclaredError

if TYPE_CHECKING:
    from countersign.registrar.web.visit import Visit

Handler = Callable[..., Response]
"""Takes a Visit, and the parameters of the path by name. Runs in a thread."""
_H = TypeVar("_H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Page:
    """One page: method, path, who may use it, and what makes it."""

    method: str
    path: str
    access: Access
    handler: Handler
    uploads: int
    """How many files its form may carry."""

    def __call__(self, visit: Visit) -> Response:
        """Make the answer."""
        return self.handler(visit, **visit.request.path_params)


class Pages:
    """The pages of one module, which keeps it as ``pages``."""

    def __init__(self) -> None:
        self.all: list[Page] = []

    def get(self, path: str, *, allow: Access) -> Callable[[_H], _H]:
        """Declare a page that is looked at; it changes nothing."""
        return self._add("GET", path, allow, 0)

    def post(self, path: str, *, allow: Access, uploads: int = 0) -> Callable[[_H], _H]:
        """Declare what a form does.

        uploads: how many files the form may carry, each up to ``security.upload_size``.
        """
        return self._add("POST", path, allow, uploads)

    def _add(self, method: str, path: str, access: Access, uploads: int) -> Callable[[_H], _H]:
        if not isinstance(access, Access):
            raise UndeclaredError(f"{method} {path}: the route does not declare who may use it")
        if (access.kind is Kind.SERVER) != ("{server:key}" in path):
            raise UndeclaredError(f"{method} {path}: server(…) goes with {{server:key}}")

        def register(handler: _H) -> _H:
            self.all.append(Page(method, path, access, handler, uploads))
            return handler

        return register


def by_path(pages: Iterable[Page]) -> dict[str, dict[str, Page]]:
    """Return pages by path and method. Raises ValueError where two are the same."""
    found: dict[str, dict[str, Page]] = {}
    for page in pages:
        methods = found.setdefault(page.path, {})
        if page.method in methods:
            raise ValueError(f"{page.method} {page.path} is declared twice")
        methods[page.method] = page
    return found
