"""Runs the battery from this machine: progress, the test mailbox, the wait for what arrives."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from countersign.certification.assignment import Assignment
from countersign.certification.catalogue import all_tests
from countersign.certification.mailbox import Message, TestMailbox, server_context
from countersign.certification.outcome import BatteryResult, TestOutcome
from countersign.certification.run import run_battery
from countersign.certification.settings import Standing
from countersign.certification.settling import Arrived, is_awaited, settle
from countersign.certification.standpoint import Standpoint
from countersign.certification.test_address import ALPHABET, MARK_LENGTH, Kind
from countersign.cli.server_check.printing import STYLES, WORDS
from countersign.transport.resolver import NameNotFoundError, ResolutionFailedError

_MAX_ARRIVALS = 1000
"""Messages that are kept in mind: fewer are ever sent."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and where from."""

    assignment: Assignment
    standing: Standing
    mailbox: str = ""
    """ADDRESS:PORT that the test mailbox listens on; empty: there is none."""
    wait: float = 0
    """Seconds that messages have to arrive after the last test."""


@dataclass(slots=True)
class _Arrivals:
    mark: str
    seen: set[Arrived] = field(default_factory=set)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def knows(self, mark: str, kind: Kind) -> bool:
        return mark == self.mark and kind is not Kind.SENDING

    async def deliver(self, message: Message) -> None:
        for address in message.addresses:
            if address.mark == self.mark and len(self.seen) < _MAX_ARRIVALS:
                self.seen.add(Arrived(address.kind, address.number))
        self.came.set()


async def run(plan: Plan, console: Console) -> BatteryResult:
    """Make the tests, and wait for messages that are under way; progress goes to the console.

    Raises :class:`~countersign.certification.mailbox.ListenError` if the mailbox cannot listen.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    standpoint = Standpoint(plan.standing)
    async with _mailbox(plan) as arrivals:
        assignment = plan.assignment.model_copy(update={"mark": arrivals.mark})
        if arrivals.mark:
            await _warn_of_no_way(assignment.battery.foreign_domain, standpoint, console)
        with bar:
            result = await run_battery(assignment, standpoint, _shown_on(bar, assignment))
            await _wait_for_arrivals(bar, plan.wait, result, arrivals)
        return settle(result, arrivals.seen)


@asynccontextmanager
async def _mailbox(plan: Plan) -> AsyncIterator[_Arrivals]:
    if not plan.mailbox:
        yield _Arrivals("")
        return
    arrivals = _Arrivals("".join(secrets.choice(ALPHABET) for _ in range(MARK_LENGTH)))
    battery = plan.assignment.battery
    mailbox = TestMailbox(
        (plan.mailbox,),
        battery.foreign_domain,
        battery.hello,
        arrivals.deliver,
        arrivals.knows,
        tls=server_context(battery.hello),
    )
    async with mailbox:
        yield arrivals


async def _warn_of_no_way(domain: str, standpoint: Standpoint, console: Console) -> None:
    """Say so if no mail exchanger is known that would bring messages to the mailbox."""
    try:
        exchangers = await standpoint.resolver.mx(domain)
    except (NameNotFoundError, ResolutionFailedError):
        exchangers = []
    if not exchangers:
        console.print(
            f"{domain} has no MX record that can be seen from here: unless the server knows the "
            "way to the mailbox, no message will arrive.",
            style="yellow",
            markup=False,
            highlight=False,
        )


def _shown_on(bar: Progress, assignment: Assignment) -> Callable[[TestOutcome], None]:
    """Return what moves the bar on with each outcome."""
    left_out = set(assignment.battery.without)
    planned = sum(1 for test in all_tests() if test.name not in left_out)
    task = bar.add_task(f"Testing {assignment.host}", total=planned)
    addresses: set[str] = set()

    def show(outcome: TestOutcome) -> None:
        if outcome.address:
            addresses.add(outcome.address)
        verdict = WORDS[outcome.verdict]
        title = f"{outcome.title}: [{STYLES[outcome.verdict]}]{verdict}[/]"
        bar.update(task, advance=1, total=planned * max(1, len(addresses)), description=title)

    return show


async def _wait_for_arrivals(
    bar: Progress, seconds: float, result: BatteryResult, arrivals: _Arrivals
) -> None:
    """Wait until all that was sent has arrived, or the time is over."""
    if not seconds or not arrivals.mark or not is_awaited(result):
        return
    loop = asyncio.get_running_loop()
    begun = loop.time()
    task = bar.add_task("Waiting for messages to arrive", total=round(seconds))
    while (left := begun + seconds - loop.time()) > 0:
        if not is_awaited(settle(result, arrivals.seen)):
            return
        arrivals.came.clear()
        try:
            async with asyncio.timeout(min(1.0, left)):
                await arrivals.came.wait()
        except TimeoutError:
            bar.update(task, completed=round(loop.time() - begun))
