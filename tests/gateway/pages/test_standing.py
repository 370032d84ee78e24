"""The figures of a user, and the bars: pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from countersign.gateway.pages.account import Run, runs
from countersign.gateway.pages.administrator.sign_ins import groups
from countersign.gateway.pages.meters import WIDTH, meter
from countersign.gateway.pages.sessions import MAX_OF_USER, Sessions, form_token, is_cookie
from countersign.gateway.pages.standing import HOUR, hour_begins, standing_of
from countersign.rules.submission import Limits
from countersign.storage.submission.tables import SignInFailure

NOW = 1_900_000_000.0
HOURS = st.lists(st.integers(0, 500), min_size=24, max_size=24)


@given(HOURS, st.integers(1, 5000))
def test_in_a_day_all_that_was_sent_is_free_again(hours: list[int], limit: int) -> None:
    found = standing_of(sum(hours), hours, Limits(50, limit), NOW)
    assert sum(one.recipients for one in found.releases) == sum(hours)
    times = [one.by for one in found.releases]
    assert times == sorted(times)
    assert all(NOW < at <= NOW + 24 * HOUR for at in times)
    left = [found.left, *(one.left for one in found.releases)]
    assert left == sorted(left)
    assert all(0 <= one <= limit for one in left)
    if found.releases:
        assert left[-1] == limit
    assert (found.next_release is not None) == (found.left == 0)


def test_the_next_time_to_send_is_when_the_first_fall_out_of_the_window() -> None:
    hours = [0] * 24
    hours[3], hours[20] = 200, 100
    found = standing_of(300, hours, Limits(50, 300), NOW)
    assert found.left == 0
    assert found.next_release is not None
    assert (found.next_release.by, found.next_release.left) == (NOW + 4 * HOUR, 200)


def test_who_is_far_beyond_a_limit_waits_until_he_is_below_it() -> None:
    # The limit was lowered after it had been sent.
    hours = [100] * 6 + [0] * 18
    found = standing_of(600, hours, Limits(50, 250), NOW)
    assert found.next_release is not None
    assert found.next_release.by == NOW + 4 * HOUR


def test_without_a_limit_nothing_is_awaited() -> None:
    found = standing_of(5000, [5000] + [0] * 23, Limits(None, None), NOW)
    assert (found.left, found.releases, found.next_release) == (None, (), None)


def test_the_hours_end_now() -> None:
    begins = hour_begins(NOW)
    assert (len(begins), begins[0], begins[-1]) == (24, NOW - 24 * HOUR, NOW - HOUR)


@given(st.integers(0, 10**9), st.none() | st.integers(1, 10**9), st.integers(0, 10**9))
def test_a_bar_and_its_mark_lie_within_the_drawing(
    value: int, limit: int | None, largest: int
) -> None:
    drawn = meter(value, limit, largest)
    assert 0 <= drawn.length <= WIDTH
    assert drawn.mark is None or 1 <= drawn.mark <= WIDTH - 1


def test_a_bar_tells_what_is_near_the_limit() -> None:
    tones = [meter(value, 300, 300).tone for value in (0, 239, 240, 299, 300, 900)]
    assert tones == ["info", "info", "warn", "warn", "bad", "bad"]
    assert meter(900, None, 900).tone == "info"


def test_failures_are_grouped_by_what_they_have_in_common() -> None:
    failures = [
        SignInFailure(NOW - 1, "mei", "198.51.100.1", "password"),
        SignInFailure(NOW - 2, "nina", "198.51.100.1", "password"),
        SignInFailure(NOW - 3, "mei", "203.0.113.9", "password"),
        SignInFailure(NOW - 4, "", "203.0.113.9", "in-clear"),
        SignInFailure(NOW - 5, "mei", "198.51.100.1", "password"),
    ]
    networks = groups(failures, lambda one: one.network, lambda one: one.user)
    assert [(one.name, one.failures, one.others) for one in networks] == [
        ("198.51.100.1", 3, 2),
        ("203.0.113.9", 2, 2),
    ]
    accounts = groups(failures, lambda one: one.user, lambda one: one.network)
    assert [(one.name, one.failures, one.others, one.last) for one in accounts] == [
        ("mei", 3, 2, NOW - 1),
        ("nina", 1, 1, NOW - 2),
    ]


def test_failures_one_after_the_other_are_one_run() -> None:
    failures = [
        SignInFailure(NOW - 1, "mei", "a", "password"),
        SignInFailure(NOW - 2, "mei", "a", "password"),
        SignInFailure(NOW - 3, "mei", "a", "limited"),
        SignInFailure(NOW - 4, "mei", "b", "password"),
        SignInFailure(NOW - 5, "mei", "a", "password"),
    ]
    assert runs(failures) == [
        Run("a", "password", 2, NOW - 2, NOW - 1),
        Run("a", "limited", 1, NOW - 3, NOW - 3),
        Run("b", "password", 1, NOW - 4, NOW - 4),
        Run("a", "password", 1, NOW - 5, NOW - 5),
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 50)), max_size=60))
def test_sessions_end_in_time_and_are_bounded(steps: list[tuple[str, float]]) -> None:
    now = NOW
    sessions = Sessions(100, lambda: now)
    begun: list[tuple[str, str, float]] = []
    for user, pause in steps:
        now += pause
        cookie = sessions.begin(user, b"")
        assert is_cookie(cookie)
        begun.append((user, cookie, now))
        for name in "abc":
            of_user = [(one, at) for who, one, at in begun if who == name]
            kept = {one for one, at in of_user[-MAX_OF_USER:] if at + 100 > now}
            found = {one for one, _ in of_user if sessions.find(one) is not None}
            assert found == kept


def test_a_cookie_cannot_be_found_from_the_token_of_its_forms() -> None:
    cookie = Sessions(1, lambda: NOW).begin("mei", b"")
    assert cookie not in form_token(cookie)
    assert form_token(cookie) != form_token(cookie[:-1] + ("A" if cookie[-1] != "A" else "B"))
