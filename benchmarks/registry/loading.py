"""Loading a large zone: the replica and Knot by AXFR from our sending code, Knot from a file."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.gateway.world import free_port
from tests.peers.dns_peer import Peer

from benchmarks.processes import AnonymousPeak, cpu_seconds, peak_resident, resident
from benchmarks.registry.figures import Figure, Part, Steps
from benchmarks.registry.knots import LoadingKnot
from benchmarks.registry.made_zone import ZONE, MadeZone
from countersign.registry.copy.environment import DATA
from countersign.registry.transfer.keys import TsigKey

_MIB = 1 << 20
_SECONDS = 3600.0


@dataclass
class Load:
    """What a load took. Memory and disk: octets."""

    seconds: float
    """From the start of the process until it answers."""
    cpu_seconds: float
    anonymous_peak: int
    anonymous: int
    """When it had loaded."""
    file: int
    resident_peak: int
    disk: int
    sender_anonymous_peak: int = 0
    sender_cpu_seconds: float = 0.0


def measure(names: int, directory: Path, steps: Steps) -> Part:
    """Measure with a zone of so many names."""
    zone = MadeZone(names)
    sent = directory / "sent"
    apex = zone.write_copy(sent, steps.begin(f"writing a copy of {names:,}", names))
    with _sender(sent, directory) as (endpoint, key_file, key, pid):
        steps.begin(f"the replica takes {names:,} names by AXFR")
        replica = _replica(directory, endpoint, key_file, names, pid)
        steps.begin(f"Knot takes {names:,} names by AXFR")
        transferred = _knot_by_transfer(endpoint, key, pid)
    shutil.rmtree(sent)
    knot = LoadingKnot(ZONE)
    zone.write_zone_file(knot.zone_file, apex, steps.begin("writing a zone file", names))
    steps.begin(f"Knot loads {names:,} names from a zone file")
    from_file = _knot_from_file(knot)
    return Part(
        f"Loading {names:,} names (A and TXT each)",
        [
            *_figures(replica, transferred, "Knot, the same AXFR"),
            *_figures(replica, from_file, "Knot, from a zone file"),
            Figure(
                "sender's own memory at the most",
                "MiB",
                replica.sender_anonymous_peak / _MIB,
                transferred.sender_anonymous_peak / _MIB,
                "the same, sending to Knot",
            ),
        ],
        {
            "names": names,
            "load average": os.getloadavg()[1],
            "replica": asdict(replica),
            "Knot by AXFR": asdict(transferred),
            "Knot from a zone file": asdict(from_file),
        },
    )


def _figures(ours: Load, theirs: Load, peer: str) -> Iterator[Figure]:
    yield Figure("until it answers", "s", ours.seconds, theirs.seconds, peer)
    yield Figure("CPU", "s", ours.cpu_seconds, theirs.cpu_seconds, peer)
    for what, one, other in (
        ("own memory when loaded", ours.anonymous, theirs.anonymous),
        ("own memory at the most", ours.anonymous_peak, theirs.anonymous_peak),
        ("mapped pages of files when loaded", ours.file, theirs.file),
        ("on the disk", ours.disk, theirs.disk),
    ):
        yield Figure(what, "MiB", one / _MIB, other / _MIB, peer)


def _replica(directory: Path, endpoint: str, key_file: Path, names: int, sender: int) -> Load:
    copy = directory / "replica"
    command = [sys.executable, "-m", "benchmarks.registry.receiver"]
    command += [str(copy), endpoint, str(key_file), str(names)]
    began = time.perf_counter()
    with _process(command) as process:
        load = _watched(
            process.pid, sender, began, lambda: _wait_until_ready(process), lambda: _size(copy)
        )
    shutil.rmtree(copy)
    return load


def _knot_by_transfer(endpoint: str, key: TsigKey, sender: int) -> Load:
    knot = LoadingKnot(ZONE, primaries=[Peer(endpoint, key)])
    began = time.perf_counter()

    def settled() -> int:
        """Wait for the zone file, which it writes after it has begun to answer."""
        while not (size := _size(knot.zone_file)):
            time.sleep(0.1)
        return size

    with knot:
        return _watched(
            knot.process_id, sender, began, lambda: knot.wait_until_loaded(_SECONDS), settled
        )


def _knot_from_file(knot: LoadingKnot) -> Load:
    began = time.perf_counter()
    with knot:
        return _watched(
            knot.process_id,
            None,
            began,
            lambda: knot.wait_until_loaded(_SECONDS),
            lambda: _size(knot.zone_file),
        )


def _watched(
    pid: int,
    sender: int | None,
    began: float,
    wait: Callable[[], None],
    disk: Callable[[], int],
) -> Load:
    sent_for = cpu_seconds(sender) if sender else 0.0
    with contextlib.ExitStack() as watches:
        peak = watches.enter_context(AnonymousPeak(pid))
        sending = watches.enter_context(AnonymousPeak(sender)) if sender else None
        wait()
        seconds = time.perf_counter() - began
    spent = cpu_seconds(pid)
    loaded = resident(pid)
    return Load(
        seconds=seconds,
        cpu_seconds=spent,
        anonymous_peak=max(peak.octets, loaded.anonymous),
        anonymous=loaded.anonymous,
        file=loaded.file,
        resident_peak=peak_resident(pid),
        disk=disk(),
        sender_anonymous_peak=sending.octets if sending else 0,
        sender_cpu_seconds=cpu_seconds(sender) - sent_for if sender else 0.0,
    )


@contextlib.contextmanager
def _sender(copy: Path, directory: Path) -> Iterator[tuple[str, Path, TsigKey, int]]:
    """Give (endpoint, file of the key, the key, process id)."""
    key = TsigKey.generate("bench")
    key_file = directory / "key"
    key_file.touch(0o600)
    key_file.write_text(key.to_text())
    endpoint = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "benchmarks.registry.sender"]
    with _process([*command, str(copy), endpoint, str(key_file)]) as process:
        _wait_until_ready(process)
        yield endpoint, key_file, key, process.pid


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.communicate()


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise RuntimeError(f"{process.args!r} ended")


def _size(path: Path) -> int:
    """Return the octets on the disk of a file, or of a copy."""
    file = path / DATA if path.is_dir() else path
    return file.stat().st_blocks * 512 if file.exists() else 0
