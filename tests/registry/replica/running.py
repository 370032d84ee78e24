"""A replica in the test's own process, and one as an operator runs it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.metrics import ReplicaMetrics
from countersign.registry.replica.notes import State, read_state
from countersign.registry.replica.notify import NotifyListener
from countersign.registry.replica.puller import Puller
from countersign.registry.replica.settings import ReplicaConfig
from countersign.registry.transfer.keys import TsigKey
from tests.registry.replica.primary import Primary
from tests.registry.replica.zones import NAME, WIRE, Zone

KEY = TsigKey.generate("replica1")
QUICK: dict[str, Any] = {
    "poll_seconds": 0.05,
    "survey_seconds": 0.2,
    "question_timeout": 0.6,
    "retry_seconds": 0.05,
    "retry_max_seconds": 0.2,
    "refused_seconds": 0.1,
    "refused_max_seconds": 0.2,
    "idle_timeout": 5,
}


def configured(directory: Path, primaries: Sequence[str], **changes: Any) -> ReplicaConfig:
    key_file = directory / "replica.key"
    if not key_file.exists():
        key_file.write_text(KEY.to_text())
        key_file.chmod(0o600)
    replica = {"primaries": list(primaries), "key_file": key_file, **QUICK, **changes}
    return ReplicaConfig.model_validate(
        {"zone": NAME, "state_directory": directory, "replica": replica}
    )


class Running:
    """A puller, and what its copy and its notes say."""

    def __init__(self, config: ReplicaConfig, key: TsigKey) -> None:
        self.config = config
        self.registry = CollectorRegistry()
        metrics = ReplicaMetrics(self.registry)
        self.puller = Puller(config, key, metrics)
        addresses = [endpoint.rpartition(":")[0] for endpoint in config.replica.primaries]
        self.listener = NotifyListener(WIRE, key, addresses, self.puller.notified, metrics.notified)
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.puller.run(self.stop))

    def meta(self) -> CopyMeta | None:
        return meta_in(self.config.directory)

    def nodes(self) -> dict[bytes, bytes]:
        return nodes_in(self.config.directory)

    def state(self) -> State:
        return read_state(self.config.directory) or State()

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"countersign_replica_{name}", labels) or 0.0

    async def until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        started = time.monotonic()
        while not holds():
            assert not self.task.done(), self.task.result()
            assert time.monotonic() - started < seconds, (self.meta(), self.state())
            await asyncio.sleep(0.005)

    async def until_equal(self, zone: Zone, seconds: float = 30) -> None:
        def is_equal() -> bool:
            meta = self.meta()
            return meta is not None and meta.serial == zone.serial

        await self.until(is_equal, seconds)
        assert self.nodes() == zone.nodes

    async def until_error(self, text: str, seconds: float = 10) -> None:
        await self.until(lambda: text in self.state().error, seconds)


@asynccontextmanager
async def replica(config: ReplicaConfig, key: TsigKey = KEY) -> AsyncIterator[Running]:
    running = Running(config, key)
    try:
        yield running
    finally:
        running.stop.set()
        await running.listener.stop()
        await asyncio.wait_for(running.task, 10)


@asynccontextmanager
async def primary(
    zone: Zone, key: TsigKey = KEY, address: str = "127.0.0.1"
) -> AsyncIterator[Primary]:
    made = Primary(zone, key, address)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def meta_in(directory: Path) -> CopyMeta | None:
    from countersign.registry.copy.errors import NoCopyError

    with contextlib.suppress(NoCopyError), ZoneCopy.open(directory, writable=False) as copy:
        return copy.meta()
    return None


def nodes_in(directory: Path) -> dict[bytes, bytes]:
    with (
        ZoneCopy.open(directory, writable=False) as copy,
        copy.reader().snapshot() as snapshot,
    ):
        return dict(snapshot.nodes())


class ReplicaProcess:
    """`countersign replica` with a file of its own."""

    def __init__(self, directory: Path, primaries: Sequence[str], extra: str = "") -> None:
        self.config = configured(directory, primaries)
        self.file = directory / "replica.toml"
        self.log_file = directory / "replica.log"
        quick = "\n".join(f"{name} = {value}" for name, value in QUICK.items())
        listed = ", ".join(f'"{one}"' for one in primaries)
        self.file.write_text(
            f'zone = "{NAME}"\nstate_directory = "{directory}"\n[replica]\n'
            f'primaries = [{listed}]\nkey_file = "{directory}/replica.key"\n{quick}\n{extra}\n'
        )
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "countersign", "replica", "--config", str(self.file)),
                stdout=log,
                stderr=log,
            )

    async def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)
