"""How the service reads what a process beside it counts: files mapped into memory.

prometheus-client writes a process's values there when the environment variable is set before it is
imported.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def prepare_directory(directory: Path) -> None:
    """Make the directory, empty of an earlier run's files. Raises :class:`OSError`."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink(missing_ok=True)


def forget_process(directory: Path, pid: int) -> None:
    """Drop the gauges of a process that has ended; its counters go on counting."""
    with contextlib.suppress(OSError):
        mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def collect_directory(directory: Path, registry: CollectorRegistry) -> None:
    """Let a registry show what is counted in a directory. Raises :class:`OSError`."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
