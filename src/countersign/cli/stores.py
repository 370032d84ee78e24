"""A store, opened for one command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from countersign.cli.common import fail
from countersign.storage.tables import TablesUnavailableError


class Closable(Protocol):
    """What is closed when the work is done."""

    async def aclose(self) -> None:
        """Release the store."""


_Store = TypeVar("_Store", bound=Closable)
_Result = TypeVar("_Result")


def with_store(
    opened: Callable[[], _Store], work: Callable[[_Store], Awaitable[_Result]], *, name: str
) -> _Result:
    """Open a store, work with it, close it; end the command if it cannot be read.

    opened: opens it, within the event loop. name: what the error calls it, such as "the journal".
    """

    async def run() -> _Result:
        store = opened()
        try:
            return await work(store)
        finally:
            await store.aclose()

    try:
        return asyncio.run(run())
    except TablesUnavailableError as error:
        fail(f"{name} cannot be read: {error}", 1)
