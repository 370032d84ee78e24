"""Threads for what blocks or computes: few at a time, and a bounded number that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from countersign.gateway.submission.sources.interface import SourceUnavailableError

_Result = TypeVar("_Result")


class Threads:
    """Those of one source."""

    def __init__(self, at_once: int, most: int) -> None:
        """at_once: threads; most: pieces of work that may be there in all."""
        self._executor = ThreadPoolExecutor(at_once, thread_name_prefix="passwords")
        self._most = most
        self._there = 0

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Do something in a thread. Raises :class:`SourceUnavailableError` if too many wait."""
        if self._there >= self._most:
            raise SourceUnavailableError("too many passwords are being checked")
        self._there += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._there -= 1

    def close(self) -> None:
        """End the threads when they have done what they are at."""
        self._executor.shutdown(wait=False, cancel_futures=True)
