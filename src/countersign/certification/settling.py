"""What arrived at the test mailbox, put together with what a probe saw (DESIGN §8). Pure.

A server that answers 250 has promised; only a message that arrives proves that it relays. A probe
therefore reports each test as it stands if nothing arrives, with the numbers of its messages.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from countersign.certification.forms import FORMS
from countersign.certification.outcome import BatteryResult, Proof, TestOutcome, Verdict
from countersign.certification.test_address import Kind

_RELAYED = (
    "The message arrived at the registrar's test mailbox: the server passes a stranger's mail on "
    "to foreign domains."
)
_BOUNCED = (
    "The server took the message, and sent a bounce to the sender that it was given: strangers "
    "can use it to send bounces to anybody (backscatter)."
)

_TO_SOMEBODY = frozenset(form.test.name for form in FORMS if form.is_local)
"""Whoever the message is for may well answer it: that is no bounce."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message at the test mailbox."""

    kind: Kind
    number: str


def settle(result: BatteryResult, arrivals: Collection[Arrived]) -> BatteryResult:
    """Return what a probe saw, with what arrived of its messages."""
    relayed = {one.number for one in arrivals if one.kind is Kind.RELAYED}
    bounced = {one.number for one in arrivals if one.kind is Kind.BOUNCED}
    outcomes = tuple(_settled(outcome, relayed, bounced) for outcome in result.outcomes)
    return result.model_copy(update={"outcomes": outcomes})


def _settled(outcome: TestOutcome, relayed: set[str], bounced: set[str]) -> TestOutcome:
    if relayed.intersection(outcome.messages):
        proof, explanation = Proof.RELAYED, _RELAYED
    elif bounced.intersection(outcome.messages) and outcome.name not in _TO_SOMEBODY:
        proof, explanation = Proof.BOUNCED, _BOUNCED
    else:
        return outcome
    return outcome.model_copy(
        update={"verdict": Verdict.FAILED, "proof": proof, "explanation": explanation}
    )


def is_awaited(result: BatteryResult) -> bool:
    """Tell whether a message is under way that could still change the verdict."""
    return any(outcome.messages and outcome.proof is Proof.NONE for outcome in result.outcomes)
