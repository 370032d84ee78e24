"""The gateway's first process: binds sockets, keeps workers running, reloads, stops.

It handles no mail. Each worker has sockets of its own (SO_REUSEPORT), which the supervisor
keeps open: when a worker dies, connections wait in their queues for its replacement.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from countersign.gateway.child import Child
from countersign.gateway.claim import claimed
from countersign.gateway.clerk.wanted import is_clerk_wanted
from countersign.gateway.config import Config
from countersign.gateway.metrics import (
    DIRECTORY_VARIABLE,
    forget_worker,
    prepare_directory,
    serve,
)
from countersign.gateway.sockets import Sockets, SupervisorError
from countersign.settings.file import ConfigError, load_config

log = structlog.get_logger()

READY_SECONDS = 60.0
MAX_BACK_OFF = 30.0


@dataclass(slots=True, eq=False)
class _Worker:
    index: int
    process: asyncio.subprocess.Process
    lifeline: int
    ready: bool = False
    leaving: bool = False


class Supervisor:
    """Runs a gateway from its configuration file."""

    def __init__(self, config_file: Path, config: Config) -> None:
        self._config_file = config_file
        self._config = config
        self._sockets = Sockets()
        self._workers: set[_Worker] = set()
        self._children: list[Child] = []
        self._watching: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._reloading = asyncio.Lock()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises :class:`SupervisorError`."""
        with claimed(self._config.state_directory):
            await self._run()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._start_reload)
        prepare_directory(self._metrics_directory)
        stop_metrics = self._serve_metrics()
        try:
            self._sockets.bind_all(self._config, self.worker_count)
            # Nobody waits for them: without a copy workers ask the DNS.
            self._children = self._start_children()
            await self._start_workers()
            log.info("ready", workers=len(self._workers), hostname=self._config.hostname)
            notify("READY=1")
            await self._stopping.wait()
        finally:
            notify("STOPPING=1")
            await self._stop_workers()
            await self._stop_children()
            self._sockets.close()
            stop_metrics()
            log.info("stopped")

    @property
    def worker_count(self) -> int:
        """How many workers there are to be."""
        return self._config.workers or os.cpu_count() or 1

    @property
    def _metrics_directory(self) -> Path:
        return self._config.state_directory / "metrics"

    # -- workers -----------------------------------------------------------------------------

    async def _start_workers(self) -> None:
        await asyncio.gather(*(self._start_worker(index) for index in range(self.worker_count)))

    async def _start_worker(self, index: int) -> None:
        """Start a worker and wait until it is ready. Raises :class:`SupervisorError`."""
        ready, ready_end = os.pipe()
        lifeline_end, lifeline = os.pipe()
        sockets = self._sockets.of(index, self._config)
        command = [sys.executable, "-m", "countersign", "gateway-worker"]
        command += ["--config", str(self._config_file), "--index", str(index)]
        command += ["--ready", str(ready_end), "--lifeline", str(lifeline_end)]
        for service, descriptor in sockets:
            command += ["--socket", f"{service}:{descriptor}"]
        descriptors = (ready_end, lifeline_end, *(descriptor for _, descriptor in sockets))
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                pass_fds=descriptors,
                env={**os.environ, DIRECTORY_VARIABLE: str(self._metrics_directory)},
            )
        finally:
            os.close(ready_end)
            os.close(lifeline_end)
        worker = _Worker(index, process, lifeline)
        self._workers.add(worker)
        task = asyncio.create_task(self._watch(worker))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        worker.ready = await _becomes_ready(ready)
        if not worker.ready:
            raise SupervisorError(f"worker {index} did not start: its log says why")

    async def _watch(self, worker: _Worker) -> None:
        code = await worker.process.wait()
        os.close(worker.lifeline)
        self._workers.discard(worker)
        forget_worker(self._metrics_directory, worker.process.pid)
        if worker.leaving or not worker.ready or self._stopping.is_set():
            return
        log.error("worker ended", index=worker.index, code=code)
        delay = 0.0
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay or 0.01):
                    await self._stopping.wait()
                    return
            try:
                await self._start_worker(worker.index)
            except SupervisorError as error:
                log.error("worker not replaced", reason=str(error))
                delay = min(MAX_BACK_OFF, delay * 2 + 1)
            else:
                log.info("worker replaced", index=worker.index)
                return

    async def _stop_workers(self) -> None:
        await self._dismiss(set(self._workers))

    async def _dismiss(self, workers: set[_Worker]) -> None:
        """Let workers drain, and end those that do not."""
        for worker in workers:
            worker.leaving = True
            with contextlib.suppress(ProcessLookupError):
                worker.process.terminate()
        waits = [asyncio.create_task(worker.process.wait()) for worker in workers]
        if not waits:
            return
        _, late = await asyncio.wait(waits, timeout=self._config.shutdown_timeout + 5)
        for worker in workers if late else ():
            with contextlib.suppress(ProcessLookupError):
                worker.process.kill()
        await asyncio.gather(*waits)

    # -- processes beside the workers ----------------------------------------------------------

    def _start_children(self) -> list[Child]:
        """Start the replica, which keeps the registry's copy, and the clerk, as configured."""
        config, children = self._config, []
        replica = config.registry.replica
        if config.replica is not None and replica.run and replica.primaries:
            children.append(self._child("replica"))
        if is_clerk_wanted(config):
            children.append(self._child("clerk"))
        return children

    def _child(self, name: str) -> Child:
        command = [sys.executable, "-m", "countersign", f"gateway-{name}"]
        command += ["--config", str(self._config_file), "--lifeline"]
        return Child(name, lambda end: [*command, str(end)], self._metrics_directory)

    async def _stop_children(self) -> None:
        children, self._children = self._children, []
        await asyncio.gather(*(child.stop() for child in children))

    # -- reload ------------------------------------------------------------------------------

    def _start_reload(self) -> None:
        task = asyncio.create_task(self._reload())
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _reload(self) -> None:
        """Start workers with the new configuration, then let the old ones leave."""
        async with self._reloading:
            notify("RELOADING=1")
            old, old_config = set(self._workers), self._config
            try:
                config = load_config(self._config_file, Config)
                self._config = config
                self._sockets.bind_all(config, self.worker_count)
                for worker in old:
                    worker.leaving = True
                await self._start_workers()
            except (ConfigError, SupervisorError) as error:
                log.error("not reloaded: the old configuration stays", reason=str(error))
                self._config = old_config
                for worker in old:
                    worker.leaving = False
                await self._dismiss(self._workers - old)
                return
            finally:
                notify("READY=1")
            self._sockets.close_others(config, self.worker_count)
            await self._stop_children()
            self._children = self._start_children()
            log.info("reloaded", workers=len(self._workers - old))
            await self._dismiss(old)

    def _serve_metrics(self) -> Callable[[], None]:
        endpoint = self._config.metrics.listen
        if not endpoint:
            return lambda: None
        host, _, port = endpoint.rpartition(":")
        try:
            return serve(host.strip("[]"), int(port), self._metrics_directory)
        except OSError as error:
            raise SupervisorError(f"metrics.listen {endpoint}: {error.strerror}") from error


async def _becomes_ready(descriptor: int) -> bool:
    """Wait for the octet that a worker writes when it has started; False if it ended instead."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def readable() -> None:
        if not done.done():
            done.set_result(os.read(descriptor, 1))

    loop.add_reader(descriptor, readable)
    try:
        async with asyncio.timeout(READY_SECONDS):
            return bool(await done)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def notify(state: str) -> None:
    """Tell the service manager, if there is one (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    path = f"\0{address[1:]}" if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), path)
