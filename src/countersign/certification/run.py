"""The whole battery against one host (DESIGN §8)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from countersign.certification import catalogue
from countersign.certification.assignment import Assignment
from countersign.certification.form import Names
from countersign.certification.outcome import BatteryResult
from countersign.certification.session import Caller
from countersign.certification.sheet import Progress, Sheet
from countersign.certification.standpoint import Standpoint
from countersign.certification.steps import STEPS
from countersign.certification.target import find_mail_domain, find_target
from countersign.certification.transcript import Transcript
from countersign.certification.visit import Visit
from countersign.protocol.address import normalise_hostname
from countersign.transport.resolver import ResolutionFailedError


async def run_battery(
    assignment: Assignment, standpoint: Standpoint, progress: Progress | None = None
) -> BatteryResult:
    """Test all addresses of a host, one after the other, one connection at a time.

    ``progress`` is called with each outcome as soon as it is known. A host that cannot be reached
    has no outcomes but those that say so. Raises
    :class:`~countersign.protocol.address.AddressSyntaxError` for what is no host name or mail
    domain; whatever else goes wrong is an outcome.
    """
    host = normalise_hostname(assignment.host)
    begun_at = datetime.now(UTC)
    transcript = Transcript(asyncio.get_running_loop().time)
    battery, resolver = assignment.battery, standpoint.resolver
    whole = Sheet("", transcript, progress, battery.without)
    target = await find_target(host, battery, standpoint)
    whole.add(catalogue.ADDRESS, target.judgement)
    outcomes = whole.outcomes
    if target.addresses:
        domain = await _mail_domain(assignment, host, standpoint)
        known = domain or ""
        answered = False
        for address in target.addresses:
            names = Names(host, address, battery.foreign_domain, known)
            sheet = Sheet(address, transcript, progress, battery.without)
            caller = Caller(address, host, battery, transcript, standpoint)
            visit = Visit(assignment, names, caller, sheet, resolver, answered)
            visit.is_domain_unknown = domain is None
            await _visit(visit)
            answered |= visit.answered_false
            outcomes += sheet.outcomes
    return BatteryResult(
        host=host,
        addresses=target.addresses,
        begun_at=begun_at,
        ended_at=datetime.now(UTC),
        outcomes=tuple(outcomes),
    )


async def _mail_domain(assignment: Assignment, host: str, standpoint: Standpoint) -> str | None:
    """Return the domain; empty: there is none; None: that cannot be told."""
    if assignment.mail_domain:
        return normalise_hostname(assignment.mail_domain)
    try:
        return await find_mail_domain(host, standpoint.resolver)
    except ResolutionFailedError:
        return None


async def _visit(visit: Visit) -> None:
    """Make all tests of one address."""
    sheet = visit.sheet
    try:
        async with asyncio.timeout(visit.caller.settings.total_timeout):
            for step in STEPS:
                tests = tuple(step.tests(visit))
                if not step.is_always_made and not any(sheet.wants(test) for test in tests):
                    continue
                if step.needs_tls and not visit.has_tls:
                    sheet.add_missing(tests, "This test needs TLS.")
                    continue
                await step.make(visit)
                if visit.is_over:
                    return
    except TimeoutError:
        visit.caller.transcript.note("the time for all tests is over")
        for step in STEPS:
            words = "The time was over before this test was made."
            sheet.add_missing(step.tests(visit), words, is_essential=step.must_end)
