"""Runs a process beside the service: started with it, kept running, ended with it.

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
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from countersign.registrar.beside.metrics import (
    DIRECTORY_VARIABLE,
    forget_process,
    prepare_directory,
)
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import OpeningError

log = structlog.get_logger()

READY_SECONDS = 60.0
STOP_SECONDS = 10.0
MAX_BACK_OFF = 30.0
STEADY_SECONDS = 60.0
"""A process that ran for so long is replaced at once when it ends."""


@dataclass(frozen=True, slots=True)
class Child:
    """What is run."""

    name: str
    """In the log, and in messages."""
    module: str
    """That is run with `-m`; see `program.py`."""
    metrics: Path
    """Directory of its counters."""
    loss: str
    """What is amiss while it does not run; ends a line of the log."""


class ChildProcess:
    """A process beside the service. A context manager: it listens when the block begins.

    Raises :class:`OpeningError` at its begin. Several start at the same time if :meth:`begin` is
    called of all before a block of any; :meth:`abandon` ends one whose block did not begin.
    """

    def __init__(self, child: Child, config: RegistrarConfig) -> None:
        self._child = child
        self._config = config
        self._stopping = threading.Event()
        self._begun: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name=child.name, daemon=True)
        self.listening: list[str] = []
        """ADDRESS:PORT each."""

    @property
    def process_id(self) -> int | None:
        """The process that runs at present."""
        process = self._process
        return None if process is None else process.pid

    def begin(self) -> None:
        """Start the process, and do not wait for it. Raises :class:`OpeningError`."""
        directory = self._child.metrics
        try:
            prepare_directory(directory)
        except OSError as error:
            raise OpeningError(f"{directory}: {error.strerror}") from error
        self._begun = self._launch()

    def abandon(self) -> None:
        """End a process that was begun, and that nobody waited for."""
        process, self._begun = self._begun, None
        if process is not None:
            self._end(process)

    def __enter__(self) -> Self:
        if self._begun is None:
            self.begin()
        process, self._begun = self._begun, None
        assert process is not None
        self._wait(process)
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
            self._end(process)
        self._keeper.join()

    def _launch(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", self._child.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, DIRECTORY_VARIABLE: str(self._child.metrics)},
        )
        assert process.stdin is not None
        # Not as an argument, which everybody can read: it may hold a database's password.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(self._config.model_dump_json().encode() + b"\n")
            process.stdin.flush()
        return process

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the process listens. Raises :class:`OpeningError`: it has ended then."""
        try:
            self.listening = self._report(process)
        except OpeningError:
            self._end(process)
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
                forget_process(self._child.metrics, process.pid)
                if self._stopping.is_set():
                    return
                log.error(f"{self._child.name} ended", code=code)
            steady = time.monotonic() - started > STEADY_SECONDS
            delay = 0.1 if steady else min(MAX_BACK_OFF, delay * 2 + 0.1)
            self._stopping.wait(delay)
            self._start_again()

    def _start_again(self) -> None:
        if self._stopping.is_set():
            return
        try:
            self._wait(self._launch())
        except (OpeningError, OSError) as error:
            log.error(f"{self._child.name} not started: {self._child.loss}", reason=str(error))
            return
        log.info(f"{self._child.name} replaced", listen=self.listening)
        if self._stopping.is_set() and (process := self._process) is not None:
            self._end(process)

    def _report(self, process: subprocess.Popen[bytes]) -> list[str]:
        """Wait until the process says where it listens. Raises :class:`OpeningError`."""
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], READY_SECONDS)
        line = process.stdout.readline() if readable else b""
        try:
            said = json.loads(line)
        except ValueError:
            raise OpeningError(f"the {self._child.name} did not start: its log says why") from None
        if error := said.get("error"):
            raise OpeningError(error)
        return [str(one) for one in said["listening"]]

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.error(f"{self._child.name} does not stop and is ended")
            process.kill()
            process.wait()
        _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
