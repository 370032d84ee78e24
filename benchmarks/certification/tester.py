"""Runs the battery against many targets at one time, as a probe does; prints what it cost.

Usage: python -m benchmarks.certification.tester COUNT CONCURRENCY PORT NAMESERVER HOST TIMEOUT
HOST: a name, or a pattern with {} for the number.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections import Counter

import uvloop

from benchmarks.processes import peak_resident
from countersign.certification.assignment import Assignment
from countersign.certification.outcome import Verdict
from countersign.certification.run import run_battery
from countersign.certification.settings import Battery, Standing
from countersign.certification.standpoint import Standpoint


async def test(
    count: int, concurrency: int, port: int, nameserver: str, pattern: str, timeout: float
) -> None:
    battery = Battery(
        port=port,
        submission_port=0,
        submissions_port=0,
        pause=0,
        retry_seconds=0,
        foreign_domain="victim.example",
        timeout=timeout,
        total_timeout=timeout * 10,
    )
    standpoint = Standpoint(Standing(networks=("127.0.0.0/8",), nameservers=(nameserver,)))
    room = asyncio.Semaphore(concurrency)
    verdicts: Counter[str] = Counter()
    troubles: Counter[str] = Counter()

    async def one(number: int) -> None:
        async with room:
            assignment = Assignment(host=pattern.format(number), battery=battery)
            result = await run_battery(assignment, standpoint)
            verdicts[result.verdict] += 1
            troubles.update(
                f"{outcome.name}: {outcome.explanation}"
                for outcome in result.outcomes
                if outcome.is_essential and outcome.verdict is Verdict.COULD_NOT_TEST
            )

    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - begun,
                "cpu": used.ru_utime + used.ru_stime,
                "peak": peak_resident(os.getpid()),
                "verdicts": verdicts,
                "troubles": dict(troubles.most_common(3)),
            }
        )
    )


if __name__ == "__main__":
    _, how_many, at_once, to_port, dns, name, patience = sys.argv
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    uvloop.run(test(int(how_many), int(at_once), int(to_port), dns, name, float(patience)))
