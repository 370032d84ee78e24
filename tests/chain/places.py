"""Where processes of a chain run: here, or in a network namespace of their own."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_CLONE_NEWNET = 0x40000000


class Here:
    """The network of the test itself."""

    address = "127.0.0.1"

    def call(self, function: Callable[_P, _T], *args: _P.args, **how: _P.kwargs) -> _T:
        """Call a function there: processes that it starts and sockets that it makes stay there."""
        return function(*args, **how)


class Namespace(Here):
    """A network namespace: one thread of this process has gone into it for good."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._thread = ThreadPoolExecutor(1, initializer=self._enter)

    def call(self, function: Callable[_P, _T], *args: _P.args, **how: _P.kwargs) -> _T:
        return self._thread.submit(function, *args, **how).result()

    def close(self) -> None:
        self._thread.shutdown()

    def _enter(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        with Path(f"/run/netns/{self.name}").open() as file:
            if library.setns(file.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
