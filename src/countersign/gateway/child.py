"""A process beside the workers that is kept running: the replica's puller, the clerk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from countersign.gateway.metrics import DIRECTORY_VARIABLE, forget_worker

log = structlog.get_logger()

MAX_BACK_OFF = 30.0
STEADY_SECONDS = 60.0
"""A process that ran so long is replaced at once when it ends."""
STOP_SECONDS = 10.0


class Child:
    """Starts a process, starts it again when it ends, and ends it.

    It gets a pipe that breaks when this process is gone, however it goes.
    """

    def __init__(
        self, name: str, command: Callable[[int], Sequence[str]], metrics_directory: Path
    ) -> None:
        """``command``: given the number of the lifeline's descriptor, what is to be run."""
        self._name = name
        self._command = command
        self._metrics_directory = metrics_directory
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._keeping = asyncio.create_task(self._keep())

    @property
    def process_id(self) -> int | None:
        """The process that runs at present."""
        return self._process.pid if self._process is not None else None

    async def stop(self) -> None:
        """End the process, and start it no more."""
        self._stopping.set()
        await self._keeping

    async def _keep(self) -> None:
        delay = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                code = await self._run()
            except OSError as error:
                log.error("process not started", process=self._name, reason=str(error))
            else:
                if self._stopping.is_set():
                    return
                log.error("process ended", process=self._name, code=code)
            steady = time.monotonic() - started > STEADY_SECONDS
            delay = 0.1 if steady else min(MAX_BACK_OFF, delay * 2 + 0.1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()

    async def _run(self) -> int:
        """Run the process once; return its exit code. Raises :class:`OSError`."""
        lifeline_end, lifeline = os.pipe()
        try:
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command(lifeline_end),
                    stdin=subprocess.DEVNULL,
                    pass_fds=(lifeline_end,),
                    env={**os.environ, DIRECTORY_VARIABLE: str(self._metrics_directory)},
                )
            finally:
                os.close(lifeline_end)
            self._process = process
            stopping = asyncio.create_task(self._end_when_told(process))
            try:
                return await process.wait()
            finally:
                stopping.cancel()
                self._process = None
                forget_worker(self._metrics_directory, process.pid)
        finally:
            os.close(lifeline)

    async def _end_when_told(self, process: asyncio.subprocess.Process) -> None:
        await self._stopping.wait()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.sleep(STOP_SECONDS)
        log.error("process does not stop and is ended", process=self._name)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
