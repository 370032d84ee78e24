"""The sheet on which outcomes are noted, each with its part of the transcript. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from countersign.certification.catalogue import Test
from countersign.certification.judge import Judgement, untested
from countersign.certification.outcome import MAX_LINES, Line, TestOutcome
from countersign.certification.transcript import Transcript

Progress = Callable[[TestOutcome], None]
"""Called with each outcome as soon as it is known."""


class Sheet:
    """Outcomes at one address."""

    def __init__(
        self,
        address: str,
        transcript: Transcript,
        progress: Progress | None,
        without: Collection[str] = (),
    ) -> None:
        """``without``: names of tests that are switched off, and have no outcome."""
        self.address = address
        self.outcomes: list[TestOutcome] = []
        self._without = frozenset(without)
        self._transcript = transcript
        self._progress = progress
        self._held: dict[str, tuple[Line, ...]] = {}

    def wants(self, test: Test) -> bool:
        """Tell whether a test is to be made; the outcome of another is thrown away."""
        return test.name not in self._without

    def hold(self, test: Test) -> None:
        """Keep what was said since the last outcome for that of a test which is not over yet."""
        self._held[test.name] = self._held.get(test.name, ()) + self._transcript.take()

    def add(
        self,
        test: Test,
        judgement: Judgement,
        messages: tuple[str, ...] = (),
        *,
        is_essential: bool = False,
    ) -> None:
        """Note an outcome; what was said since the last one belongs to it.

        ``messages``: the numbers of those that the server took, or may have taken.
        ``is_essential``: it is, even if the test as such is not.
        """
        transcript = self._held.pop(test.name, ()) + self._transcript.take()
        if not self.wants(test):
            return
        outcome = TestOutcome(
            name=test.name,
            title=test.title,
            verdict=judgement.verdict,
            explanation=judgement.explanation,
            is_essential=test.is_essential or is_essential,
            address=self.address,
            transcript=transcript[:MAX_LINES],
            messages=messages,
        )
        self.outcomes.append(outcome)
        if self._progress is not None:
            self._progress(outcome)

    def add_all(self, tests: Iterable[Test], judgement: Judgement) -> None:
        """Note the same outcome of several tests."""
        for test in tests:
            self.add(test, judgement)

    def add_missing(
        self, planned: Iterable[Test], explanation: str, *, is_essential: bool = False
    ) -> None:
        """Note all tests that are still without an outcome as not made; see :meth:`add`."""
        done = {outcome.name for outcome in self.outcomes}
        for test in planned:
            if test.name not in done:
                self.add(test, untested(explanation), is_essential=is_essential)
