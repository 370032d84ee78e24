"""make bench-registry: the replicated registry, as ratios in one run (needs root and peers).

Usage: python -m benchmarks.registry [--names 1000000] [--servers 200000] [--secondaries 1 3 20]
       [--decisions 60] [--parts look-ups loading publication lag] [--directory DIRECTORY]

A run of a minute: --names 100000 --servers 5000 --secondaries 1 3 --decisions 20
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog
from rich.console import Console

from benchmarks.registry import loading, looking_up
from benchmarks.registry.figures import Part, Steps, write

RESULTS = Path("benchmarks/results/registry.json")
PROGRAMS = ("knotd", "knotc", "rbldnsd")
_LOOK_UP_NAMES = 1_000_000
"""More tell nothing else."""


def main() -> None:
    """Measure, print tables and write the figures as JSON."""
    options = _options()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    console = Console(width=None if sys.stdout.isatty() else 160)
    missing = [name for name in PROGRAMS if shutil.which(name, path="/usr/sbin:/usr/bin") is None]
    if missing:
        console.print(f"[red]make bench-registry:[/] {', '.join(missing)}: .ci/install-packages")
        sys.exit(2)
    measured: dict[str, Part] = {}
    with Steps(console) as steps:
        for name in options.parts:
            with tempfile.TemporaryDirectory(
                prefix="countersign-bench-", dir=options.directory
            ) as directory:
                measured[_title(name, options)] = _PARTS[name](options, Path(directory), steps)
    for part in measured.values():
        console.print(part.table())
    write(RESULTS, measured)
    console.print(f"Written to {RESULTS}")


_PARTS: dict[str, Callable[[argparse.Namespace, Path, Steps], Part]] = {
    "look-ups": lambda options, directory, steps: looking_up.measure(
        min(options.names, _LOOK_UP_NAMES), directory, steps
    ),
    "loading": lambda options, directory, steps: loading.measure(options.names, directory, steps),
}


def _title(name: str, options: argparse.Namespace) -> str:
    return f"{name}, {options.names:,} names" if name == "loading" else name


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=1_000_000, help="in the zone")
    parser.add_argument("--servers", type=int, default=200_000, help="in the registrar's database")
    parser.add_argument("--secondaries", type=int, nargs="+", default=[1, 3, 20])
    parser.add_argument("--decisions", type=int, default=60)
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--directory", type=Path, help="where to put what is large")
    return parser.parse_args()


if __name__ == "__main__":
    main()
