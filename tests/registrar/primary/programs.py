"""The primary and the service as programs, run as an operator runs them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Program:
    """A running command; its log goes to a file."""

    def __init__(self, *arguments: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
        self.process = subprocess.Popen(
            [sys.executable, "-m", "countersign", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )

    @property
    def log(self) -> list[dict[str, Any]]:
        """All events so far."""
        self._log.seek(0)
        lines = self._log.read().decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    @property
    def text(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def wait_for(self, event: str, times: int = 1, seconds: float = 40) -> dict[str, Any]:
        """Wait until something was logged so often; return the last such event."""
        deadline = time.monotonic() + seconds
        while True:
            found = [one for one in self.log if one["event"] == event]
            if len(found) >= times:
                return found[-1]
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)

    def children(self) -> list[int]:
        """Return the processes that it has started."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(one) for path in tasks for one in path.read_text().split()]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def program(*arguments: str) -> Iterator[Program]:
    made = Program(*arguments)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.kill()


def is_alive(process: int) -> bool:
    """Tell whether a process runs; one that is dead and not yet buried does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(process: int, seconds: float = 15) -> bool:
    """Wait until a process is no more."""
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def resident(process: int) -> int:
    """Return the octets of a process's own memory: without what it maps from files."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
