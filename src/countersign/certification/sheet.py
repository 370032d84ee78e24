"""The sheet on which outcomes are noted, each with its part of the transcript. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from countersign.certification.catalogue import Test
from countersign.certification.judge import Judgement, untested
from countersign.certification.outcome import TestOutcome
from countersign.certification.transcript import Transcript

Progress = Callable[[TestOutcome], None]
"""Called with each outcome as soon as it is known."""


class Sheet:
    """Outcomes at one address."""

    def __init__(self, address: str, transcript: Transcript, progress: Progress | None) -> None:
        self.address = address
        self.outcomes: list[TestOutcome] = []
        self._transcript = transcript
        self._progress = progress

    def add(self, test: Test, judgement: Judgement) -> None:
        """Note an outcome; what was said since the last one belongs to it."""
        outcome = TestOutcome(
            name=test.name,
            title=test.title,
            verdict=judgement.verdict,
            explanation=judgement.explanation,
            is_essential=test.is_essential,
            address=self.address,
            transcript=self._transcript.take(),
        )
        self.outcomes.append(outcome)
        if self._progress is not None:
            self._progress(outcome)

    def add_missing(self, planned: Iterable[Test], explanation: str) -> None:
        """Note all tests that are still without an outcome as not made."""
        done = {outcome.name for outcome in self.outcomes}
        for test in planned:
            if test.name not in done:
                self.add(test, untested(explanation))
