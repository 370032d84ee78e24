"""What is known of secondaries, and who is told when one is behind or ahead."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from countersign.registrar.operations.secondaries import Condition
from countersign.registrar.primary.history import KEPT, History
from countersign.registrar.primary.states import (
    AHEAD_SECONDS,
    QUIET_SECONDS,
    State,
    States,
)
from countersign.registry.zone.serial import is_newer

START = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)
MODULUS = 1 << 32


def at(seconds: float) -> datetime.datetime:
    return START + datetime.timedelta(seconds=seconds)


@given(
    st.integers(0, MODULUS - 1),
    st.lists(st.integers(1, 5000), max_size=50),
    st.integers(0, MODULUS - 1),
)
def test_who_lacks_what_since_when(first: int, steps: list[int], serial: int) -> None:
    versions = [(first, at(0))]
    for number, step in enumerate(steps, 1):
        versions.append(((versions[-1][0] + step) % MODULUS, at(number)))
    history = History(versions)
    assert history.current == versions[-1][0]
    for place, (own, _) in enumerate(versions):
        after = versions[place + 1][1] if place + 1 < len(versions) else None
        assert history.lacking_since(own) == after
        assert not history.is_ahead(own)
    since = history.lacking_since(serial)
    newer = [when for own, when in versions if is_newer(own, serial)]
    if is_newer(versions[-1][0], serial):
        assert since == newer[0]
    else:
        assert since is None
        assert history.is_ahead(serial) == (serial != versions[-1][0])


def test_the_history_is_bounded() -> None:
    history = History()
    for number in range(KEPT * 2):
        history.add(number, at(number))
    assert history.lacking_since(0) == at(KEPT)


def test_one_that_follows_each_version_a_little_late_is_never_called_behind() -> None:
    states = States(History([(1, at(0))]))
    for second in range(1, 200):
        states.history.add(second + 1, at(second))
        states.heard(7, at(second), "192.0.2.1", serial=second)
        assert states.judge([7], at(second + 0.5), 60) == []
        assert states.of(7).behind_since == at(second)


def test_one_that_stays_behind_is_told_of_once_and_so_is_its_recovery() -> None:
    states = States(History([(1, at(0))]))
    states.heard(7, at(1), "192.0.2.1", serial=1)
    assert states.judge([7], at(2), 60) == []
    states.history.add(2, at(10))
    assert states.judge([7], at(69), 60) == []
    [alert] = states.judge([7], at(70), 60)
    assert (alert.condition, alert.serial, alert.since) == (Condition.BEHIND, 1, at(10))
    assert states.judge([7], at(71), 60) == [alert], "until it was given"
    states.alerted(alert, at(71))
    assert states.judge([7], at(500), 60) == []
    states.sent(7, at(501), "ixfr", 300, 2)
    [alert] = states.judge([7], at(502), 60)
    assert alert.condition is Condition.UP_TO_DATE
    states.alerted(alert, at(502))
    assert states.judge([7], at(503), 60) == []
    assert states.of(7).behind_since is None


def test_one_that_is_ahead_is_told_of_when_it_stays_so() -> None:
    states = States(History([(5, at(0))]))
    states.heard(7, at(1), "192.0.2.1", serial=9)
    assert states.judge([7], at(1), 60) == []
    [alert] = states.judge([7], at(1 + AHEAD_SECONDS), 60)
    assert (alert.condition, alert.serial) == (Condition.AHEAD, 9)
    states.alerted(alert, at(7))
    states.history.add(10, at(8))
    assert states.judge([7], at(200), 60) == [], "behind, but people look at it already"
    states.heard(7, at(201), "192.0.2.1", serial=10)
    [alert] = states.judge([7], at(202), 60)
    assert alert.condition is Condition.UP_TO_DATE


def test_one_that_was_never_heard_of_is_neither_behind_nor_ahead() -> None:
    states = States(History([(5, at(0)), (6, at(1))]))
    assert states.judge([7], at(10_000), 60) == []


def test_polling_is_stored_seldom_and_news_at_once() -> None:
    states = States(History([(5, at(0))]))
    states.heard(7, at(0), "192.0.2.1", serial=5, key="key-1")
    stored, keys = states.take(at(0))
    assert stored[7].serial == 5
    assert keys == {"key-1": at(0)}
    count = 0
    for second in range(1, 101):
        states.heard(7, at(second), "192.0.2.1", serial=5)
        count += len(states.take(at(second))[0])
    assert count <= 100 / QUIET_SECONDS
    states.failed(7, at(101), "x" * 1000)
    assert len(states.take(at(101))[0][7].error) == 255


def test_what_could_not_be_stored_is_stored_later() -> None:
    states = States(History([(5, at(0))]))
    states.notified(7, at(1), 5)
    states.heard(7, at(1), "", key="key-1")
    taken = states.take(at(1))
    assert states.take(at(2)) == ({}, {})
    states.give_back(*taken)
    assert states.take(at(3)) == taken


def test_those_that_were_removed_are_forgotten() -> None:
    states = States(History([(5, at(0))]), {7: State(serial=4), 8: State(serial=5)})
    assert states.judge([7, 8], at(0), 60) == []
    assert len(states.judge([7, 8], at(100), 60)) == 1
    assert states.judge([8], at(200), 60) == []
    assert states.take(at(200))[0].keys() <= {8}


def test_nothing_is_said_until_it_is_known_what_is_published() -> None:
    states = States(History(), {7: State(serial=4, alerted_at=at(-500), behind_since=at(-600))})
    assert states.judge([7], at(0), 60) == [], "nor that it is up to date again"
    assert states.of(7).behind_since == at(-600)
    states.history.add(4, at(-700))
    states.history.add(5, at(-600))
    assert states.judge([7], at(1), 60) == []
    states.sent(7, at(2), "ixfr", 300, 5)
    assert [one.condition for one in states.judge([7], at(3), 60)] == [Condition.UP_TO_DATE]


def test_those_that_lack_something_at_the_start_have_their_time_to_follow() -> None:
    known = {number: State(serial=4) for number in range(20)}
    states = States(History([(4, at(-900)), (5, at(-600))]), known)
    assert states.judge(known, at(0), 60) == []
    for number in range(19):
        states.sent(number, at(1), "ixfr", 300, 5)
    assert states.judge(known, at(59), 60) == []
    [alert] = states.judge(known, at(60), 60)
    assert (alert.secondary_id, alert.condition, alert.since) == (19, Condition.BEHIND, at(-600))


def test_the_use_of_a_key_is_stored_once_a_minute() -> None:
    states = States(History([(5, at(0))]))
    stored = []
    for second in range(120):
        states.heard(7, at(second), "192.0.2.1", serial=5, key="key-1")
        stored += states.take(at(second))[1].values()
    assert stored == [at(0), at(60)]


def test_a_clock_that_was_set_back_keeps_nothing_from_being_stored() -> None:
    states = States(History([(5, at(0))]))
    states.heard(7, at(0), "192.0.2.1", serial=5)
    states.take(at(0))
    states.heard(7, at(-3600), "192.0.2.1", serial=5)
    assert states.take(at(-3600))[0][7].asked_at == at(-3600)
