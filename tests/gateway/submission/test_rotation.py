"""The order of a rotation: no gap in signing, no key gone while its mail is under way."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from countersign.gateway.submission.key_file import KeyKind, KeyState, StoredKey
from countersign.gateway.submission.rotation import DAY, Policy, Step, StepKind, steps

KINDS = tuple(KeyKind)
_STATES = {
    StepKind.PUBLISH: KeyState.PUBLISHED,
    StepKind.ACTIVATE: KeyState.SIGNING,
    StepKind.REVOKE: KeyState.REVOKED,
}


class Keys:
    """Keys in memory, on which steps are done."""

    def __init__(self) -> None:
        self.keys: dict[str, StoredKey] = {}
        self._names = (f"k{number}" for number in itertools.count(1))

    def do(self, step: Step, now: float) -> None:
        if step.kind is StepKind.MAKE:
            name = next(self._names)
            self.keys[name] = StoredKey(
                selector=name,
                kind=step.key_kind,
                state=KeyState.MADE,
                record="",
                times={KeyState.MADE: now},
            )
            return
        if step.kind is StepKind.ACTIVATE:
            for other in self.of(step.key_kind, KeyState.SIGNING):
                self.keys[other.selector] = other.moved(KeyState.RETIRED, now)
        self.keys[step.selector] = self.keys[step.selector].moved(_STATES[step.kind], now)

    def of(self, kind: KeyKind, state: KeyState) -> list[StoredKey]:
        return [key for key in self.keys.values() if (key.kind, key.state) == (kind, state)]

    def due(self, now: float, policy: Policy) -> list[Step]:
        return [
            step for step in steps(list(self.keys.values()), KINDS, now, policy) if step.due <= now
        ]


def test_the_first_call_makes_a_key_of_each_kind_and_then_sends_them() -> None:
    keys, policy = Keys(), Policy()
    for expected in (StepKind.MAKE, StepKind.PUBLISH, StepKind.ACTIVATE):
        due = keys.due(0.0, policy)
        assert [(step.kind, step.key_kind) for step in due] == [(expected, kind) for kind in KINDS]
        for step in due:
            keys.do(step, 0.0)
    assert keys.due(179 * DAY, policy) == []
    coming = steps(list(keys.keys.values()), KINDS, 0.0, policy)
    assert [(step.kind, step.due) for step in coming] == [(StepKind.MAKE, 180 * DAY)] * 2


@given(
    st.lists(st.tuples(st.floats(0, 40 * DAY), st.integers(0, 4)), max_size=60),
    st.floats(1, 200),
    st.floats(1, 30),
)
def test_whenever_it_is_called_and_whatever_waits_the_order_holds(
    calls: list[tuple[float, int]], every_days: float, keep_days: float
) -> None:
    keys, policy, now = Keys(), Policy(every_days, keep_days), 0.0
    for pause, count in calls:
        now += pause
        # Some of what is due is done: the DNS, or the registrar, may keep the rest waiting.
        for step in keys.due(now, policy)[:count]:
            signed = {kind: keys.of(kind, KeyState.SIGNING) for kind in KINDS}
            if step.kind is StepKind.REVOKE:
                old = keys.keys[step.selector]
                assert old.state is KeyState.RETIRED
                assert now >= old.since + keep_days * DAY
            keys.do(step, now)
            for kind in KINDS:
                assert len(keys.of(kind, KeyState.SIGNING)) >= len(signed[kind])
                assert len(keys.of(kind, KeyState.SIGNING)) <= 1
                coming = keys.of(kind, KeyState.MADE) + keys.of(kind, KeyState.PUBLISHED)
                assert len(coming) <= 1
