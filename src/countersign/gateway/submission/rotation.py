"""When a key is due for what: made, published, put to use, revoked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from countersign.gateway.submission.key_file import KeyKind, KeyState, StoredKey

DAY = 86400.0
"""Seconds."""


class StepKind(StrEnum):
    """What is done with a key."""

    MAKE = "make"
    PUBLISH = "publish"
    ACTIVATE = "activate"
    """Put it to use, as soon as the DNS has it; the one before it retires."""
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Policy:
    """How long keys serve, in days."""

    every_days: float = 180
    """Days after which a key that signs is followed by another one."""
    keep_days: float = 14
    """Days that a retired key stays in the DNS: longer than mail waits in any queue."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do."""

    kind: StepKind
    key_kind: KeyKind
    due: float
    """Seconds since the epoch."""
    selector: str = ""
    """Empty for a key that is still to be made."""


def steps(
    keys: Sequence[StoredKey], kinds: Sequence[KeyKind], now: float, policy: Policy
) -> list[Step]:
    """Return the next step of each key, and of each kind of keys, the earliest due first."""
    found = [step for kind in kinds for step in _of_kind(keys, kind, now, policy)]
    return sorted(found, key=lambda step: step.due)


def _of_kind(
    keys: Sequence[StoredKey], kind: KeyKind, now: float, policy: Policy
) -> Iterator[Step]:
    own = [key for key in keys if key.kind is kind]
    coming = [key for key in own if key.state in (KeyState.MADE, KeyState.PUBLISHED)]
    for key in coming:
        step = StepKind.PUBLISH if key.state is KeyState.MADE else StepKind.ACTIVATE
        yield Step(step, kind, key.since, key.selector)
    if not coming:
        signing = [key.since for key in own if key.state is KeyState.SIGNING]
        due = max(signing) + policy.every_days * DAY if signing else now
        yield Step(StepKind.MAKE, kind, due)
    for key in own:
        if key.state is KeyState.RETIRED:
            yield Step(StepKind.REVOKE, kind, key.since + policy.keep_days * DAY, key.selector)
