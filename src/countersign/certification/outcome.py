"""What a battery of tests found out: the shapes that are kept, shown and sent (DESIGN §8). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

MAX_LINES = 150
"""Lines in the transcript of one test."""
MAX_LINE = 500
"""Characters of one line."""

MAX_MESSAGES = 20
"""Messages of one test."""

_Name = Annotated[str, Field(min_length=1, max_length=100)]
_Words = Annotated[str, Field(max_length=2000)]
_Address = Annotated[str, Field(max_length=64)]

_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\U0010ffff]|\\")


def printable(text: str) -> str:
    """Return a text of strangers with hexadecimal escapes for what cannot be printed or stored."""
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return "\\\\" if match[0] == "\\" else f"\\x{ord(match[0]):02x}"


class Verdict(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    COULD_NOT_TEST = "could-not-test"
    """Nothing was found out: the server was away, slow, or asked to be left alone."""
    INFORMATION = "information"
    """Worth knowing, and for nobody to pass or fail by."""


class Direction(StrEnum):
    """Whose words a line of a transcript is."""

    SENT = "sent"
    RECEIVED = "received"
    NOTE = "note"
    """The tester's own remark: connected, TLS, timed out."""


class Line(NamedTuple):
    """A line of a transcript."""

    at_ms: int
    """Milliseconds since the battery began."""
    direction: Direction
    text: Annotated[str, Field(max_length=MAX_LINE)]
    """Without its line ending; what cannot be printed is written ``\\xNN``."""


class Proof(StrEnum):
    """What arrived at the test mailbox, and proves what a test found."""

    NONE = ""
    RELAYED = "relayed"
    """A message to a foreign recipient was passed on."""
    BOUNCED = "bounced"
    """A message was taken, and its bounce went to the sender that it was given."""


class TestOutcome(BaseModel):
    """What one test found out at one address."""

    __test__: ClassVar[bool] = False
    """Not a test of ours, whatever its name says."""
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Name
    """Stable; see `catalogue` and `forms`."""
    title: _Words
    verdict: Verdict
    explanation: _Words
    is_essential: bool
    """Without it nothing can be said of the server as a whole."""
    address: _Address = ""
    """The address tested; empty for what concerns the host as a whole."""
    transcript: Annotated[tuple[Line, ...], Field(max_length=MAX_LINES)] = ()
    messages: Annotated[
        tuple[Annotated[str, Field(max_length=32)], ...], Field(max_length=MAX_MESSAGES)
    ] = ()
    """Numbers of the messages (`test_address`) whose content the server took. The verdict is what
    it is if none of them arrives; see `settling`."""
    proof: Proof = Proof.NONE


class BatteryResult(BaseModel):
    """What the battery found out about a host, seen from one place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(max_length=255)]
    addresses: Annotated[tuple[_Address, ...], Field(max_length=64)]
    """Those that were tested."""
    begun_at: AwareDatetime
    ended_at: AwareDatetime
    outcomes: Annotated[tuple[TestOutcome, ...], Field(max_length=5000)]

    @property
    def verdict(self) -> Verdict:
        """Passed, failed or could-not-test; see :func:`overall_verdict`."""
        return overall_verdict(self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as values that JSON has."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Return the result that :meth:`to_dict` gave. Raises :class:`ValueError`."""
        return cls.model_validate(values)


def overall_verdict(outcomes: Iterable[TestOutcome]) -> Verdict:
    """Return what single tests say together.

    One that failed is enough to fail. A server of which not all that is essential was seen, or
    nothing, has neither passed nor failed.
    """
    seen = [outcome for outcome in outcomes if outcome.verdict is not Verdict.INFORMATION]
    if any(outcome.verdict is Verdict.FAILED for outcome in seen):
        return Verdict.FAILED
    essential = [outcome.verdict for outcome in seen if outcome.is_essential]
    if Verdict.COULD_NOT_TEST in essential or Verdict.PASSED not in essential:
        return Verdict.COULD_NOT_TEST
    return Verdict.PASSED
