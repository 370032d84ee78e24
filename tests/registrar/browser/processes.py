"""Processes of the real commands, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60
_POLL_SECONDS = 0.05


def wait_until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(_POLL_SECONDS)


@dataclass
class Gateway:
    """A registered mail server to be: a gateway that reads the registrar's file."""

    hostname: str
    address: str
    port: int
    log_file: Path
    process: subprocess.Popen[bytes]

    def wait_for_greeting(self) -> None:
        """Wait until it can be tested."""

        def greets() -> bool:
            assert self.process.poll() is None, self.log_file.read_text()
            with (
                contextlib.suppress(OSError),
                socket.create_connection((self.address, self.port), timeout=5) as connection,
            ):
                return connection.recv(3) == b"220"
            return False

        wait_until(greets, f"{self.hostname} greets", START_SECONDS)


def start(
    stack: contextlib.ExitStack, arguments: tuple[str, ...], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "countersign", *arguments],
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    stack.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
