"""A process that looks names up in a copy for some seconds, and says how many, as JSON.

Usage: python -m benchmarks.registry.reader DIRECTORY NAMES SECONDS SEED
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.registry.made_zone import ZONE, MadeZone
from countersign.registry.copy_lookup import CopyRegistry, OnStale
from countersign.registry.lookup import Standing

_SAMPLE = 20_000


def open_registry(directory: Path) -> CopyRegistry:
    """Return the gateway's look-up of a copy, without a fallback."""
    return CopyRegistry(
        directory, ZONE, max_age=86400, on_stale=OnStale.DEFER, fallback=None, clock=time.time
    )


def main() -> None:
    directory, names, seconds, seed = sys.argv[1:]
    sample = MadeZone(int(names)).sample(_SAMPLE, int(seed))
    find = open_registry(Path(directory)).find
    find(sample[0][0])
    print("ready", flush=True)
    sys.stdin.readline()
    count, began, cpu = 0, time.perf_counter(), time.process_time()
    deadline = began + float(seconds)
    while time.perf_counter() < deadline:
        for name, is_listed in sample:
            if (find(name).standing is Standing.REGISTERED) is not is_listed:
                raise RuntimeError("a wrong answer")
        count += len(sample)
    wall = time.perf_counter() - began
    print(json.dumps({"count": count, "wall": wall, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
