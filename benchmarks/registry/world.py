"""The registrar's service and who follows it: secondaries, replicas; and a Knot beside it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.gateway.world import free_port
from tests.peers.dns_peer import Peer

from benchmarks.registry.knots import SecondaryKnot, UpdatedKnot
from benchmarks.registry.made_zone import ZONE
from benchmarks.registry.reader import open_registry
from benchmarks.registry.registrar import Registrar, write_zone_file
from countersign.registrar.operations import secondaries
from countersign.registrar.operations.office import SYSTEM
from countersign.registrar.operations.secondary_details import Details
from countersign.registry.lookup import RegistryUnavailableError, Standing
from countersign.registry.transfer.keys import TsigKey
from countersign.storage.database.replication import SecondaryKind

KNOT_ZONE = "knot.example"
_SECONDS = 600.0

Watch = Callable[[str], bool]
"""Tells whether a host is listed."""


class Service:
    """The registrar's service as a process."""

    def __init__(self, registrar: Registrar) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.registry.deciding", str(registrar.config_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def decide(self, verb: str, key: int) -> float:
        """Suspend or reinstate; return the moment of the commit."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb} {key}\n")
        self._process.stdin.flush()
        return float(self._read())

    def stop(self) -> None:
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the registrar's service ended")
        return line.strip()


class World:
    """The registrar's service, and who follows it."""

    def __init__(
        self,
        registrar: Registrar,
        service: Service,
        stack: contextlib.ExitStack,
        directory: Path,
    ) -> None:
        self.registrar = registrar
        self.service = service
        self.knots: list[SecondaryKnot] = []
        self._stack = stack
        self._directory = directory
        self._knot_key = TsigKey.generate("knot-primary")
        self._knot_endpoint = f"127.0.0.1:{free_port()}"

    def grow(self, count: int) -> None:
        """Start secondaries until there are so many; return when they have the zone."""
        new = []
        while len(self.knots) < count:
            knot = SecondaryKnot({KNOT_ZONE: Peer(self._knot_endpoint, self._knot_key)})
            knot.know(ZONE, Peer(self.registrar.primary, self._add(knot.listen)))
            self._stack.enter_context(knot)
            self.knots.append(knot)
            new.append(knot)
        for knot in new:
            _until(lambda knot=knot: knot.serial(ZONE) is not None, "a secondary has no zone")  # type: ignore[misc]

    def add_replica(self, name: str, *, notified: bool) -> Watch:
        """Start a replica; return its reader."""
        directory = self._directory / name
        directory.mkdir()
        notify = f"127.0.0.1:{free_port()}" if notified else ""
        key = self._add(notify, SecondaryKind.REPLICA)
        (directory / "key").touch(0o600)
        (directory / "key").write_text(key.to_text())
        (directory / "replica.toml").write_text(
            f'zone = "{ZONE}"\nstate_directory = "{directory}"\n[log]\nlevel = "error"\n'
            f'[replica]\nprimaries = ["{self.registrar.primary}"]\nkey_file = "{directory}/key"\n'
            + (f'notify_listen = ["{notify}"]\n' if notified else "")
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "countersign", "replica", "--config", directory / "replica.toml"]
        )
        self._stack.callback(_end, process)
        find = open_registry(directory / "replica").find

        def is_listed(hostname: str) -> bool:
            return find(hostname).standing is Standing.REGISTERED

        def has_copy() -> bool:
            with contextlib.suppress(RegistryUnavailableError):
                return is_listed(self.registrar.lively[0][1])
            return False

        _until(has_copy, "a replica has no copy")
        return is_listed

    @contextlib.contextmanager
    def knot_primary(self, stage: int) -> Iterator[UpdatedKnot]:
        """Let a Knot be the primary of the other zone; each stage's has a higher serial."""
        serial = stage * 1_000_000
        knot = UpdatedKnot(
            KNOT_ZONE,
            listen=self._knot_endpoint,
            transfer_keys=[self._knot_key],
            notify=[Peer(one.listen, self._knot_key) for one in self.knots],
        )
        write_zone_file(self.registrar.office, knot.zone_file, KNOT_ZONE, serial)
        with knot:
            for one in self.knots:
                _until(
                    lambda one=one: (one.serial(KNOT_ZONE) or 0) >= serial,  # type: ignore[misc]
                    "a secondary has not the zone of Knot",
                )
            yield knot

    def _add(self, notify: str, kind: SecondaryKind = SecondaryKind.SECONDARY) -> TsigKey:
        """Add a secondary to the registrar; return its key."""
        name = f"bench-{free_port()}"
        details = Details(kind=kind, notify=[notify] if notify else [], ask="")
        with self.registrar.office.work() as work:
            _, key = secondaries.add(work, SYSTEM, name, details)
        return key


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
