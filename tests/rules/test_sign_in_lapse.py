"""How long a sign-in holds (DESIGN §5)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.rules.sign_in_lapse import SignInEnds, SignInStart, holds

NOW = 1_700_000_000.0
START = SignInStart(at=NOW, uptime=100.0, record=7)
NOTHING = SignInEnds(0, 0.0)
times = st.floats(0, 2**40)


def held(after: float, ends: SignInEnds = NOTHING) -> bool:
    return holds(START, ends, now=NOW + after, uptime=100.0 + after, lapse_seconds=3600)


def test_a_sign_in_lapses_by_itself() -> None:
    assert held(3600)
    assert not held(3600.5)


def test_it_lapses_by_a_clock_that_nobody_sets() -> None:
    assert holds(START, SignInEnds(0, 0.0), now=NOW + 10**9, uptime=101, lapse_seconds=3600)
    assert not holds(START, SignInEnds(0, 0.0), now=NOW - 10**9, uptime=3701, lapse_seconds=3600)


def test_what_is_decided_after_it_began_ends_it() -> None:
    assert held(1, SignInEnds(7, 0.0))
    assert not held(1, SignInEnds(8, 0.0))


@pytest.mark.parametrize(("unlocked_at", "is_held"), [(-1, True), (0, False), (5, False)])
def test_an_unlock_ends_what_began_before_it(unlocked_at: float, is_held: bool) -> None:
    assert held(9, SignInEnds(0, NOW + unlocked_at)) == is_held


def test_an_unlock_by_a_clock_far_ahead_ends_nothing_that_begins_now() -> None:
    assert held(9, SignInEnds(0, NOW + 10))


@given(times, times, st.integers(0, 9), times)
def test_who_signs_in_anew_can_go_on_whatever_was_decided(
    now: float, uptime: float, record: int, unlocked_at: float
) -> None:
    start = SignInStart(at=now, uptime=uptime, record=record)
    ends = SignInEnds(record, unlocked_at)
    again = replace(start, at=now + 1)
    assert holds(again, ends, now=now + 1, uptime=uptime, lapse_seconds=1) or unlocked_at > now
