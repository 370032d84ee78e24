"""What the demo's acts are made of: who tries what, and what must come of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from countersign.demo.actors import Attempt


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table."""

    who: str
    tried: str
    stage: str
    """Where it was decided."""
    answer: str
    received: int
    """Octets of message content that the receiver took."""
    seconds: float
    as_promised: bool


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody tries."""

    who: str
    tried: str
    play: Callable[[], Awaitable[Attempt]]
    promised: Callable[[Attempt], bool]


def ok(attempt: Attempt) -> bool:
    """Tell whether a message has arrived."""
    return attempt.answer.startswith("250") and attempt.received > 0


def refused_at(stage: str, *codes: str) -> Callable[[Attempt], bool]:
    """Return what tells whether something was refused there, with nothing received."""

    def check(attempt: Attempt) -> bool:
        return attempt.stage == stage and attempt.answer[:3] in codes and attempt.received == 0

    return check
