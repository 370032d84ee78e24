"""CPU time and memory of process trees, read from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    pids = [pid]
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return pids
    for child in children:
        pids += tree(int(child))
    return pids


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process tree, its ended children included."""
    total = 0.0
    for one in tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
        total += sum(int(field) for field in fields[11:15]) / TICKS
    return total


def memory(pid: int) -> int:
    """Proportional octets of a process tree: shared pages are counted once in all."""
    total = 0
    for one in tree(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


@dataclass(frozen=True, slots=True)
class Resident:
    """Proportional octets of one process, by what they are."""

    anonymous: int
    """Its own: only swap could take them."""
    file: int
    """Pages of files: the kernel takes them back when others need memory."""


def resident(pid: int) -> Resident:
    """Return what a process has in memory now."""
    found = {"Pss_Anon": 0, "Pss_File": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        if name in found:
            found[name] = int(rest.split()[0]) * 1024
    return Resident(found["Pss_Anon"], found["Pss_File"])


def peak_resident(pid: int) -> int:
    """Return the most octets of all kinds that a process ever had in memory."""
    return _status(pid, "VmHWM")


class AnonymousPeak:
    """Watches the memory of a process's own while the block lasts: its peak, in octets."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.octets = 0

    def __enter__(self) -> AnonymousPeak:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.octets = max(self.octets, _status(self._pid, "RssAnon"))
                if self._stop.wait(0.1):
                    return


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0
