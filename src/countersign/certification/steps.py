"""The steps of the battery at one address, in their order: what is new is added to the list."""

from __future__ import annotations

from collections.abc import Iterator

from countersign.certification import catalogue
from countersign.certification.backscatter import check_backscatter
from countersign.certification.catalogue import Test
from countersign.certification.checks import (
    check_in_clear,
    check_in_tls,
    check_injection,
    check_questions,
    check_reset,
    check_smuggling,
    check_smuggling_in_chunks,
    check_strangers,
    tests_in_tls,
)
from countersign.certification.forms import forms_for
from countersign.certification.put_off import repeat_put_off
from countersign.certification.relay import RelayTests
from countersign.certification.submission import check_submission, check_submissions
from countersign.certification.target import judge_reverse
from countersign.certification.traps import check_traps
from countersign.certification.turns import Turns
from countersign.certification.visit import Step, Visit


async def _envelopes(visit: Visit) -> None:
    turns = Turns(visit.caller)
    try:
        if visit.assignment.traps and visit.sheet.wants(catalogue.TRAPS):
            await check_traps(visit, turns)
        if visit.sheet.wants(catalogue.BACKSCATTER):
            # Before the relay forms, which may use up the messages.
            await check_backscatter(visit, turns)
        forms = [form for form in forms_for(visit.names) if visit.sheet.wants(form.test)]
        relays = RelayTests(visit, turns)
        await relays.run(forms)
        await repeat_put_off(visit, turns, relays.reason_to_stop())
        await turns.finish()
    finally:
        turns.drop()


def _envelope_tests(visit: Visit) -> Iterator[Test]:
    if visit.assignment.traps:
        yield catalogue.TRAPS
    yield catalogue.BACKSCATTER
    yield from (form.test for form in forms_for(visit.names))


def _submission_tests(visit: Visit) -> tuple[Test, ...]:
    is_tested = visit.assignment.battery.submission_port
    return (catalogue.SUBMISSION_AUTH, catalogue.SUBMISSION) if is_tested else ()


def _submissions_tests(visit: Visit) -> tuple[Test, ...]:
    return (catalogue.SUBMISSIONS,) if visit.assignment.battery.submissions_port else ()


async def _reverse(visit: Visit) -> None:
    names = visit.names
    judgement = await judge_reverse(names.host, names.address, visit.resolver)
    visit.sheet.add(catalogue.REVERSE_DNS, judgement)


STEPS: tuple[Step, ...] = (
    Step(check_in_clear, lambda visit: catalogue.IN_CLEAR, is_always_made=True),
    Step(check_in_tls, tests_in_tls, is_always_made=True),
    Step(check_injection, lambda visit: (catalogue.INJECTION,), needs_tls=True),
    Step(check_reset, lambda visit: (catalogue.RESET,), needs_tls=True),
    Step(check_strangers, lambda visit: catalogue.STRANGERS, needs_tls=True),
    Step(check_questions, lambda visit: catalogue.QUESTIONS, needs_tls=True),
    Step(check_smuggling, lambda visit: (catalogue.SMUGGLING,)),
    Step(check_smuggling_in_chunks, lambda visit: (catalogue.SMUGGLING_IN_CHUNKS,)),
    Step(check_submission, _submission_tests),
    Step(check_submissions, _submissions_tests),
    Step(_reverse, lambda visit: (catalogue.REVERSE_DNS,)),
    # Last: what is put off is repeated when all else is done.
    Step(_envelopes, _envelope_tests, must_end=True),
)
"""Each step finds in its :class:`Visit` what earlier ones found out. A check in a module of its own
is added here as ``Step(check_it, lambda visit: (catalogue.IT,), needs_tls=True)``."""
