"""How a claimed host answers a question about a session ID (DESIGN §3.3, §3.5). Pure.

Words: a *question* is an XVERIFY; it is about an *own session* if the ID is open towards the
asker and was not asked before.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """Which questions are refused while a suspension is in force."""

    EXCEPT_OWN = "except-own"
    """After an answer: all but those about own sessions. After a wrong ID: all."""
    ALWAYS = "always"
    """All: the proposal's literal rule."""
    UNKNOWN_ONLY = "unknown-only"
    """All but those about own sessions, even after a wrong ID."""


class Standing(StrEnum):
    """How questions from this asker stand."""

    FREE = "free"
    ANSWERED = "answered"
    """Suspended after an ordinary answer."""
    WRONG_ID = "wrong-id"
    """Suspended after a wrong ID."""


class Answer(StrEnum):
    """What is answered."""

    TRUE = "true"
    FALSE = "false"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and the suspension that it starts anew (None: leave as it is)."""

    answer: Answer
    suspend: Standing | None


def decide(standing: Standing, *, is_own_session: bool, rule: Rule) -> Decision:
    """Decide the answer to one question.

    A wrong ID is answered FALSE once; while suspended it is refused like any other question,
    and turns a suspension after an answer into the strict one, for its full time from now.
    """
    if standing is Standing.FREE:
        if is_own_session:
            return Decision(Answer.TRUE, Standing.ANSWERED)
        return Decision(Answer.FALSE, Standing.WRONG_ID)
    if _may_answer_own(standing, rule) and is_own_session:
        return Decision(Answer.TRUE, None if standing is Standing.WRONG_ID else Standing.ANSWERED)
    if is_own_session or standing is Standing.WRONG_ID:
        # Not renewed: whoever can make a receiver ask must not hold it suspended for ever.
        return Decision(Answer.SUSPENDED, None)
    return Decision(Answer.SUSPENDED, Standing.WRONG_ID)


def _may_answer_own(standing: Standing, rule: Rule) -> bool:
    if rule is Rule.ALWAYS:
        return False
    return standing is Standing.ANSWERED or rule is Rule.UNKNOWN_ONLY
