"""Runs the primary beside the service: started with it, kept running, ended with it.

The process gets the configuration as one line on its standard input, which then stays open: when
it ends, so has the service, however it went. On its standard output it reports one line, as JSON:
where it listens, or why it cannot.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from types import TracebackType

import structlog

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import OpeningError
from countersign.registrar.primary.metrics import (
    DIRECTORY_VARIABLE,
    forget_process,
    metrics_directory,
    prepare_directory,
)

log = structlog.get_logger()

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
MAX_BACK_OFF = 30.0
STEADY_SECONDS = 60.0
"""A process that ran for so long is replaced at once when it ends."""


class PrimaryProcess:
    """The primary's process. A context manager: it listens when the block begins.

    Raises :class:`OpeningError` at its begin.
    """

    def __init__(self, config: RegistrarConfig) -> None:
        self._config = config
        self._metrics = metrics_directory(config)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="primary", daemon=True)
        self.listening: list[str] = []
        """ADDRESS:PORT each."""

    @property
    def process_id(self) -> int | None:
        """The process that runs at present."""
        process = self._process
        return None if process is None else process.pid

    def __enter__(self) -> PrimaryProcess:
        try:
            prepare_directory(self._metrics)
        except OSError as error:
            raise OpeningError(f"{self._metrics}: {error.strerror}") from error
        self._start()
        self._keeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        if (process := self._process) is not None:
            _end(process)
        self._keeper.join()

    def _start(self) -> None:
        """Start the process and wait until it listens. Raises :class:`OpeningError`."""
        process = subprocess.Popen(
            [sys.executable, "-m", "countersign.registrar.primary"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, DIRECTORY_VARIABLE: str(self._metrics)},
        )
        assert process.stdin is not None
        try:
            # Not as an argument, which everybody can read: it may hold a database's password.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(self._config.model_dump_json().encode() + b"\n")
                process.stdin.flush()
            self.listening = _report(process)
        except OpeningError:
            _end(process)
            raise
        self._process = process

    def _keep(self) -> None:
        delay = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            if (process := self._process) is not None:
                code = process.wait()
                _close(process)
                self._process = None
                forget_process(self._metrics, process.pid)
                if self._stopping.is_set():
                    return
                log.error("primary ended", code=code)
            steady = time.monotonic() - started > STEADY_SECONDS
            delay = 0.1 if steady else min(MAX_BACK_OFF, delay * 2 + 0.1)
            self._stopping.wait(delay)
            self._start_again()

    def _start_again(self) -> None:
        if self._stopping.is_set():
            return
        try:
            self._start()
        except (OpeningError, OSError) as error:
            log.error("primary not started: secondaries get no changes", reason=str(error))
            return
        log.info("primary replaced", listen=self.listening)
        if self._stopping.is_set() and (process := self._process) is not None:
            _end(process)


def _report(process: subprocess.Popen[bytes]) -> list[str]:
    """Wait until the process says where it listens. Raises :class:`OpeningError`."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], READY_SECONDS)
    line = process.stdout.readline() if readable else b""
    try:
        said = json.loads(line)
    except ValueError:
        raise OpeningError("the primary did not start: its log says why") from None
    if error := said.get("error"):
        raise OpeningError(error)
    return [str(one) for one in said["listening"]]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.error("primary does not stop and is ended")
        process.kill()
        process.wait()
    _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
