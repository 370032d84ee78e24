"""make bench-registry: the replicated registry, as ratios in one run (needs root and peers).

Usage: python -m benchmarks.registry [--names 1000000] [--servers 200000] [--lag-servers 2000]
       [--secondaries 1 3 20] [--decisions 60] [--directory DIRECTORY]
       [--parts look-ups loading publication lag]

A run of some minutes: --names 100000 --servers 2000 --secondaries 1 3 --decisions 20
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

from benchmarks.registry import lag, loading, looking_up, publication
from benchmarks.registry.figures import Part, Steps, write
from benchmarks.registry.registrar import make_registrar

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
    with (
        tempfile.TemporaryDirectory(
            prefix="countersign-bench-", dir=options.directory
        ) as directory,
        Steps(console) as steps,
    ):
        run = Run(options, Path(directory), steps)
        for name in options.parts:
            part = _PARTS[name](run)
            console.print(part.table())
            write(RESULTS, {_title(name, options): part})
    console.print(f"Written to {RESULTS}")


class Run:
    """What the parts of a run share."""

    def __init__(self, options: argparse.Namespace, directory: Path, steps: Steps) -> None:
        self._options = options
        self._directory = directory
        self._steps = steps

    def look_ups(self) -> Part:
        names = min(self._options.names, _LOOK_UP_NAMES)
        return looking_up.measure(names, self._new_directory("look-ups"), self._steps)

    def loading(self) -> Part:
        return loading.measure(self._options.names, self._new_directory("loading"), self._steps)

    def publication(self) -> Part:
        servers = self._options.servers
        registrar = make_registrar(self._new_directory("publication"), servers, self._steps)
        return publication.measure(registrar, servers, self._steps)

    def lag(self) -> Part:
        options, directory = self._options, self._new_directory("lag")
        registrar = make_registrar(directory, options.lag_servers, self._steps)
        counts, servers = options.secondaries, options.lag_servers
        return lag.measure(registrar, servers, counts, options.decisions, directory, self._steps)

    def _new_directory(self, name: str) -> Path:
        made = self._directory / name
        made.mkdir()
        return made


_PARTS: dict[str, Callable[[Run], Part]] = {
    "look-ups": Run.look_ups,
    "loading": Run.loading,
    "publication": Run.publication,
    "lag": Run.lag,
}


def _title(name: str, options: argparse.Namespace) -> str:
    sizes = {
        "loading": f", {options.names:,} names",
        "publication": f", {options.servers:,} servers",
        "lag": f", {options.lag_servers:,} servers",
    }
    return name + sizes.get(name, "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=1_000_000, help="in the zone")
    parser.add_argument("--servers", type=int, default=200_000, help="in the registrar's database")
    parser.add_argument("--lag-servers", type=int, default=2_000, help="there, to measure the lag")
    parser.add_argument("--secondaries", type=int, nargs="+", default=[1, 3, 20])
    parser.add_argument("--decisions", type=int, default=60)
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--directory", type=Path, help="where to put what is large")
    return parser.parse_args()


if __name__ == "__main__":
    main()
