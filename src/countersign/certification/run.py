"""The whole battery against one host (DESIGN §8)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from countersign.certification import catalogue
from countersign.certification.assignment import Assignment
from countersign.certification.catalogue import BEFORE_RELAY, NEED_TLS
from countersign.certification.checks import (
    Inside,
    check_in_clear,
    check_in_tls,
    check_injection,
)
from countersign.certification.forms import Names, forms_for
from countersign.certification.outcome import BatteryResult
from countersign.certification.relay import RelayTests
from countersign.certification.session import Caller
from countersign.certification.sheet import Progress, Sheet
from countersign.certification.standpoint import Standpoint
from countersign.certification.target import (
    find_mail_domain,
    find_target,
    judge_reverse,
)
from countersign.certification.transcript import Transcript
from countersign.protocol.address import normalise_hostname
from countersign.transport.resolver import Resolver


async def run_battery(
    assignment: Assignment, standpoint: Standpoint, progress: Progress | None = None
) -> BatteryResult:
    """Test all addresses of a host, one after the other, one connection at a time.

    ``progress`` is called with each outcome as soon as it is known. A host that cannot be reached
    has no outcomes but those that say so. Raises
    :class:`~countersign.protocol.address.AddressSyntaxError` for what is no host name; whatever
    else goes wrong is an outcome.
    """
    host = normalise_hostname(assignment.host)
    begun_at = datetime.now(UTC)
    transcript = Transcript(asyncio.get_running_loop().time)
    whole = Sheet("", transcript, progress)
    battery, resolver = assignment.battery, standpoint.resolver
    target = await find_target(host, battery, standpoint)
    whole.add(catalogue.ADDRESS, target.judgement)
    outcomes = whole.outcomes
    if target.addresses:
        mail_domain = assignment.mail_domain or await find_mail_domain(host, resolver)
        answered = False
        for address in target.addresses:
            names = Names(host, address, battery.foreign_domain, mail_domain)
            sheet = Sheet(address, transcript, progress)
            caller = Caller(address, host, battery, transcript, standpoint)
            answered |= await _test_address(caller, sheet, names, resolver, answered)
            outcomes += sheet.outcomes
    return BatteryResult(
        host=host,
        addresses=target.addresses,
        begun_at=begun_at,
        ended_at=datetime.now(UTC),
        outcomes=tuple(outcomes),
    )


async def _test_address(
    caller: Caller, sheet: Sheet, names: Names, resolver: Resolver, answered_elsewhere: bool
) -> bool:
    """Make all tests of one address; return whether a question about a wrong ID was answered."""
    forms = forms_for(names)
    inside = Inside(has_tls=False)
    try:
        async with asyncio.timeout(caller.settings.total_timeout):
            if not await check_in_clear(caller, sheet):
                return False
            inside = await check_in_tls(caller, sheet, names, answered_elsewhere=answered_elsewhere)
            if inside.has_tls:
                await check_injection(caller, sheet)
            else:
                sheet.add_missing(NEED_TLS, "This test needs TLS.")
            await RelayTests(caller, sheet, names, has_tls=inside.has_tls).run(forms)
            judgement = await judge_reverse(names.host, names.address, resolver)
            sheet.add(catalogue.REVERSE_DNS, judgement)
    except TimeoutError:
        caller.transcript.note("the time for all tests is over")
        planned = (*BEFORE_RELAY, *(form.test for form in forms), catalogue.REVERSE_DNS)
        sheet.add_missing(planned, "The time was over before this test was made.")
    return inside.answered_false
