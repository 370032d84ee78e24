"""make bench: the gateway against Postfix, as ratios in one run (needs root and Postfix)."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from tests.peers.postfix import missing_reason

from benchmarks.clients import plain_tls_sessions, reject_sessions, verified_sessions
from benchmarks.processes import cpu_seconds
from benchmarks.setting import Setting

ROUNDS = 3
REJECTS = 3000
TLS_SESSIONS = 400
IDLE = 1000
RESULTS = Path("benchmarks/results/latest.json")


@dataclass
class Figure:
    """One line of the table."""

    name: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    """Median over the rounds of ours / theirs; above 1 is better for us, but for memory."""
    aim: str


def ratio(pairs: list[tuple[float, float]]) -> float:
    return statistics.median(ours / theirs for ours, theirs in pairs)


async def compare(
    name: str,
    unit: str,
    aim: str,
    ours: Callable[[], Awaitable[float]],
    theirs: Callable[[], Awaitable[float]],
    step: Callable[[str], None],
) -> Figure:
    """Measure in turn, ours and theirs, so that a drift of the machine hits both."""
    pairs = []
    for number in range(ROUNDS):
        step(f"{name}, round {number + 1}")
        pairs.append((await ours(), await theirs()))
    return Figure(
        name,
        unit,
        statistics.median(pair[0] for pair in pairs),
        statistics.median(pair[1] for pair in pairs),
        ratio(pairs),
        aim,
    )


async def per_cpu_second(pid: int, count: int, work: Awaitable[None]) -> float:
    before = cpu_seconds(pid)
    await work
    return count / max(cpu_seconds(pid) - before, 0.01)


async def messages_per_second(endpoint: str, recipient: str, size: int, count: int) -> float:
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *("smtp-source", "-s", "10", "-m", str(count), "-l", str(size), "-f", "a@b.example"),
        *("-t", recipient, f"inet:{endpoint}"),
    )
    if await process.wait() != 0:
        raise RuntimeError("smtp-source failed")
    return count / (time.perf_counter() - started)


async def idle_memory(memory: Callable[[], int], empty: int, endpoint: str, count: int) -> float:
    host, _, port = endpoint.rpartition(":")
    writers = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(host, int(port))
        await reader.readline()
        writers.append(writer)
    full = memory()
    for writer in writers:
        writer.close()
    return (full - empty) / count / 1024


async def measure(step: Callable[[str], None]) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as directory:
        setting = Setting(Path(directory))
        await setting.start()
        try:
            return [
                await compare(
                    "rejected sessions",
                    "per CPU second",
                    ">= 1",
                    lambda: per_cpu_second(
                        setting.gateway_pid, REJECTS, reject_sessions(setting.gateway, REJECTS)
                    ),
                    lambda: per_cpu_second(
                        setting.rejecting_pid, REJECTS, reject_sessions(setting.rejecting, REJECTS)
                    ),
                    step,
                ),
                *[
                    await compare(
                        f"messages of {size // 1000} KB, gateway + Postfix",
                        "per second",
                        ">= 0.8",
                        lambda size=size: messages_per_second(  # type: ignore[misc]
                            setting.gateway_allowed, setting.recipient, size, setting.count(size)
                        ),
                        lambda size=size: messages_per_second(  # type: ignore[misc]
                            setting.postfix_endpoint, setting.recipient, size, setting.count(size)
                        ),
                        step,
                    )
                    for size in (2000, 50000)
                ],
                await compare(
                    "verified TLS sessions (all of it: callback and its answer too)",
                    "per CPU second",
                    "-",
                    lambda: per_cpu_second(
                        setting.gateway_pid, TLS_SESSIONS, verified_sessions(setting, TLS_SESSIONS)
                    ),
                    lambda: per_cpu_second(
                        setting.rejecting_pid,
                        TLS_SESSIONS,
                        plain_tls_sessions(setting.rejecting, TLS_SESSIONS),
                    ),
                    step,
                ),
                await compare(
                    "memory of an idle connection (less is better)",
                    "KiB",
                    "-",
                    lambda: idle_memory(
                        setting.gateway_memory, setting.gateway_empty, setting.gateway, IDLE
                    ),
                    lambda: idle_memory(
                        setting.postfix_memory, setting.postfix_empty, setting.rejecting, 50
                    ),
                    step,
                ),
            ]
        finally:
            await setting.stop()


def show(figures: list[Figure]) -> Table:
    table = Table(title=f"Countersign against Postfix, median of {ROUNDS} rounds, one run")
    for column in ("what", "unit", "ours", "Postfix", "ratio", "aim"):
        table.add_column(column, justify="left" if column in ("what", "unit") else "right")
    for one in figures:
        numbers = (f"{one.ours:.1f}", f"{one.theirs:.1f}", f"{one.ratio:.2f}")
        table.add_row(one.name, one.unit, *numbers, one.aim)
    return table


def main() -> None:
    """Measure, print a table and write the figures as JSON."""
    console = Console()
    reason = missing_reason()
    if reason:
        console.print(f"[red]make bench:[/] {reason}")
        sys.exit(2)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("starting", total=5 * ROUNDS)
        figures = asyncio.run(
            measure(lambda text: progress.update(task, advance=1, description=text))
        )
    console.print(show(figures))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    document = {"processors": os.cpu_count(), "figures": [asdict(figure) for figure in figures]}
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    console.print(f"Written to {RESULTS}")


if __name__ == "__main__":
    main()
