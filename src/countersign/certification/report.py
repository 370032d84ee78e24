"""What several perspectives found out about a host, for people and programs (DESIGN §8). Pure.

Perspectives are called A, B, C: who they are, and where they stand, is nobody's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from countersign.certification.outcome import BatteryResult, Proof, TestOutcome, Verdict
from countersign.rules.perspectives import Decision, Seen, decide

MAX_PERSPECTIVES = 26


class Perspective(BaseModel):
    """What was seen from one place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Annotated[str, Field(pattern=r"^[A-Z]$")]
    result: BatteryResult | None
    """None: no result came in time."""

    @property
    def seen(self) -> Seen:
        """What it says of the host as a whole."""
        if self.result is None:
            return Seen.NOTHING
        if any(_is_proven(outcome) for outcome in self.result.outcomes):
            return Seen.PROVEN
        return _seen(self.result.verdict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One test at all perspectives and addresses."""

    name: str
    title: str
    is_essential: bool
    verdict: Verdict
    """The worst that was seen: failed, could-not-test, passed, information."""
    differs: bool
    seen: tuple[tuple[str, TestOutcome], ...]
    """Label of the perspective, and what it found."""


class Report(BaseModel):
    """A test run: all perspectives, and what they say together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(max_length=255)]
    quorum: Annotated[int, Field(ge=1, le=MAX_PERSPECTIVES)]
    perspectives: Annotated[tuple[Perspective, ...], Field(max_length=MAX_PERSPECTIVES)]

    @property
    def decision(self) -> Decision:
        """Passed, failed or nothing, and whether perspectives differ.

        A host has not passed while one of its addresses was reached by nobody: that is where it
        might relay.
        """
        decision = decide([one.seen for one in self.perspectives], self.quorum)
        if decision.verdict is Seen.PASSED and self.unreached:
            return Decision(Seen.NOTHING, decision.differs)
        return decision

    @property
    def unreached(self) -> tuple[str, ...]:
        """Addresses of the host that no perspective could talk to, e.g. for want of IPv6."""
        results = [one.result for one in self.perspectives if one.result is not None]
        wanted = dict.fromkeys(address for result in results for address in result.addresses)
        reached = {
            outcome.address
            for result in results
            for outcome in result.outcomes
            if outcome.verdict in (Verdict.PASSED, Verdict.FAILED)
        }
        return tuple(address for address in wanted if address not in reached)

    @property
    def verdict(self) -> Verdict:
        """Passed, failed or could-not-test."""
        return {Seen.PASSED: Verdict.PASSED, Seen.FAILED: Verdict.FAILED}.get(
            self.decision.verdict, Verdict.COULD_NOT_TEST
        )

    def findings(self) -> list[Finding]:
        """Return each test with all that was seen of it, in the battery's order."""
        by_name: dict[str, list[tuple[str, TestOutcome]]] = {}
        for label, outcome in self._outcomes():
            by_name.setdefault(outcome.name, []).append((label, outcome))
        return [_finding(seen) for seen in by_name.values()]

    def _outcomes(self) -> Iterator[tuple[str, TestOutcome]]:
        for perspective in self.perspectives:
            if perspective.result is not None:
                for outcome in perspective.result.outcomes:
                    yield perspective.label, outcome

    def to_dict(self) -> dict[str, Any]:
        """Return the report as values that JSON has."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Return the report that :meth:`to_dict` gave. Raises :class:`ValueError`."""
        return cls.model_validate(values)


def one_perspective(result: BatteryResult) -> Report:
    """Return the report of somebody who tests from one place, for himself."""
    return Report(host=result.host, quorum=1, perspectives=(Perspective(label="A", result=result),))


_WORST_FIRST = (Verdict.FAILED, Verdict.COULD_NOT_TEST, Verdict.PASSED, Verdict.INFORMATION)


def _finding(seen: Sequence[tuple[str, TestOutcome]]) -> Finding:
    verdicts = {outcome.verdict for _, outcome in seen}
    first = seen[0][1]
    return Finding(
        name=first.name,
        title=first.title,
        is_essential=first.is_essential,
        verdict=next(verdict for verdict in _WORST_FIRST if verdict in verdicts),
        differs={Verdict.PASSED, Verdict.FAILED} <= verdicts,
        seen=tuple(seen),
    )


def _is_proven(outcome: TestOutcome) -> bool:
    return outcome.verdict is Verdict.FAILED and outcome.proof is not Proof.NONE


def _seen(verdict: Verdict) -> Seen:
    return {Verdict.PASSED: Seen.PASSED, Verdict.FAILED: Seen.FAILED}.get(verdict, Seen.NOTHING)
