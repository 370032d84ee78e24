"""make bench-pages: server time of the registrar's pages with a million servers.

Usage: python -m benchmarks.pages [--servers 1000000] [--postgresql] [--database FILE]

Each page's time is given as a ratio to one indexed query (a server by its host name, on a
connection of its own) in the same run, and compared with the aim of 100 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import select
from tests.registrar.postgres import Postgres
from tests.registrar.web.visitors import Site, Visitor

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations.office import Office
from countersign.registrar.seed.seeding import seed
from countersign.registrar.vault.keyring import Keyring
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.engine import Database
from countersign.storage.database.migration import migrate
from countersign.storage.database.servers import Server

AIM_MS = 100.0
ROUNDS = 25
QUERIES = 400
RESULTS = Path("benchmarks/results/pages.json")


@dataclass
class Timing:
    """One line of the table."""

    page: str
    role: str
    path: str
    median_ms: float
    slowest_ms: float
    queries: float
    """How many indexed queries one page is worth."""


def main() -> None:
    options = _options()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    console = Console()
    with tempfile.TemporaryDirectory() as directory, _database(options, Path(directory)) as url:
        office = _office(url, Path(options.database or directory).parent)
        with office.reading() as work:
            is_empty = work.session.scalar(select(Server.id).limit(1)) is None
        if is_empty:
            _seed(console, office, options.servers)
        query_ms = _indexed_query_ms(office)
        timings = list(_measure(console, office, query_ms))
        _show(console, timings, query_ms)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps({"query_ms": query_ms, "pages": [asdict(one) for one in timings]}, indent=1)
    )
    sys.exit(any(one.median_ms > AIM_MS for one in timings))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=1_000_000)
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument("--database", help="an SQLite file to keep, for the next run")
    return parser.parse_args()


@contextmanager
def _database(options: argparse.Namespace, directory: Path) -> Iterator[str]:
    if not options.postgresql:
        yield f"sqlite:///{options.database or directory / 'registrar.sqlite'}"
        return
    server = Postgres()
    try:
        server.run("CREATE DATABASE bench")
        yield server.url("bench")
    finally:
        server.stop()


def _office(url: str, directory: Path) -> Office:
    database = Database(url)
    migrate(database)
    config = RegistrarConfig.model_validate(
        {"state_directory": directory, "security": {"requests_per_minute": 1_000_000}}
    )
    return Office(config, database, Keyring(directory / "keyring.json"))


def _seed(console: Console, office: Office, servers: int) -> None:
    with Progress(console=console) as progress:
        task = progress.add_task(f"seeding {servers:,} servers", total=servers)
        seed(office, servers, progress=lambda more: progress.advance(task, more))


def _indexed_query_ms(office: Office) -> float:
    """Return the median time of a look-up by host name, its connection's checkout included."""
    with office.reading() as work:
        names = work.session.scalars(select(Server.hostname).limit(QUERIES)).all()
    times = []
    for name in names:
        started = time.perf_counter()
        with office.reading() as work:
            work.session.scalars(select(Server).where(Server.hostname == name)).first()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _measure(console: Console, office: Office, query_ms: float) -> Iterator[Timing]:
    site = Site(office)
    with office.reading() as work:
        active = work.session.scalars(
            select(Server).where(Server.state == State.ACTIVE).order_by(Server.id).limit(1)
        ).one()
    pages: list[tuple[str, str, str, Callable[[], Visitor]]] = [
        (name, "anybody", path, site.anonymous)
        for name, path in (
            ("home", "/"),
            ("directory", "/directory"),
            ("a country", "/directory/US"),
            ("providers of a country", "/directory/IN?providers=yes"),
            ("a city", f"/directory/{active.country}?city={active.city}"),
            ("search by name", "/directory?q=mu"),
            ("search by host", "/directory?q=mail.a"),
            ("a host", f"/hosts/{active.hostname}"),
            ("transparency", "/transparency"),
        )
    ]
    pages += [
        (path, str(role), path, lambda role=role: site.visitor(role))  # type: ignore[misc]
        for role, paths in (
            (Role.OWNER, ("/servers", "/sponsorship")),
            (Role.SCREENER, ("/staff", "/staff/screening", "/staff/servers?host=mail.a")),
            (Role.ADJUDICATOR, ("/staff/cases", f"/staff/servers/{active.id}")),
            (Role.TREASURER, ("/staff/payments", "/staff/ledger")),
            (Role.AUDITOR, ("/staff/access-log",)),
        )
        for path in paths
    ]
    with Progress(console=console) as progress:
        task = progress.add_task("measuring", total=len(pages))
        for name, role, path, visitor in pages:
            yield _time(name, role, path, visitor(), query_ms)
            progress.advance(task)


def _time(name: str, role: str, path: str, visitor: Visitor, query_ms: float) -> Timing:
    times = []
    for _ in range(ROUNDS + 1):
        answer = visitor.get(path)
        if answer.status_code != 200:
            raise SystemExit(f"{path} as {role}: {answer.status_code}")
        times.append(float(answer.headers["server-timing"].rpartition("=")[2]))
    # The first request of a path loads templates, and is everybody's only once.
    warm = times[1:]
    median = statistics.median(warm)
    return Timing(name, role, path, median, max(warm), median / query_ms)


def _show(console: Console, timings: list[Timing], query_ms: float) -> None:
    table = Table(title=f"Server time of pages (an indexed query: {query_ms:.2f} ms)")
    for column in ("page", "as", "median ms", "slowest ms", "× query", f"below {AIM_MS:.0f} ms"):
        table.add_column(column)
    for one in timings:
        table.add_row(
            one.page,
            one.role,
            f"{one.median_ms:.1f}",
            f"{one.slowest_ms:.1f}",
            f"{one.queries:.0f}",
            "yes" if one.median_ms <= AIM_MS else "[bold red]NO[/]",
        )
    console.print(table)


if __name__ == "__main__":
    main()
