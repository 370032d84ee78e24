"""Which probes test a host, and what their verdicts say together."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.rules.perspectives import (
    Decision,
    NoSetError,
    Place,
    Seen,
    decide,
    draw,
    ranges,
)

SEEN = st.lists(st.sampled_from(Seen), max_size=7)
QUORUM = st.integers(1, 5)


def four_octets(number: int, length: int) -> str:
    return str(ipaddress.ip_network((number << 8, length), strict=False))


NETWORKS = st.one_of(
    st.builds(four_octets, st.integers(0, 2**10), st.integers(14, 26)),
    st.builds(
        lambda number, length: str(
            ipaddress.ip_network(((0x2001_0DB8 << 96) + (number << 80), length), strict=False)
        ),
        st.integers(0, 2**6),
        st.integers(40, 56),
    ),
)
PLACES = st.lists(st.tuples(NETWORKS, st.none() | st.integers(64496, 64503)), max_size=10).map(
    lambda rows: [Place(key, network, number) for key, (network, number) in enumerate(rows, 1)]
)


def are_near(one: Place, other: Place) -> bool:
    if one.as_number is not None and one.as_number == other.as_number:
        return True
    first, second = ipaddress.ip_network(one.network), ipaddress.ip_network(other.network)
    return first.version == second.version and first.overlaps(second)


@given(SEEN, QUORUM)
def test_one_proof_fails_a_server_whatever_the_others_saw(seen: list[Seen], quorum: int) -> None:
    for place in range(len(seen) + 1):
        decision = decide([*seen[:place], Seen.PROVEN, *seen[place:]], quorum)
        assert decision.verdict is Seen.FAILED


@given(SEEN, QUORUM)
def test_a_probe_that_is_blocked_changes_no_verdict(seen: list[Seen], quorum: int) -> None:
    assert decide([*seen, Seen.NOTHING], quorum) == decide(seen, quorum)


@given(st.integers(2, 5), st.sampled_from([Seen.PASSED, Seen.FAILED, Seen.NOTHING]))
def test_one_probe_by_itself_decides_nothing_without_proof(quorum: int, said: Seen) -> None:
    assert decide([said, *[Seen.NOTHING] * 4], quorum).verdict is Seen.NOTHING


@given(SEEN, QUORUM)
def test_a_server_passes_only_by_a_quorum_and_without_a_failure(
    seen: list[Seen], quorum: int
) -> None:
    passed = decide(seen, quorum).verdict is Seen.PASSED
    fails = {Seen.FAILED, Seen.PROVEN} & set(seen)
    assert passed == (seen.count(Seen.PASSED) >= quorum and not fails)


@given(SEEN, QUORUM)
def test_a_server_fails_only_by_a_quorum_or_a_proof(seen: list[Seen], quorum: int) -> None:
    failed = decide(seen, quorum).verdict is Seen.FAILED
    assert failed == (Seen.PROVEN in seen or seen.count(Seen.FAILED) >= quorum)


@given(SEEN, QUORUM, st.randoms(use_true_random=False))
def test_the_order_of_the_probes_does_not_matter(
    seen: list[Seen], quorum: int, lots: random.Random
) -> None:
    shuffled = list(seen)
    lots.shuffle(shuffled)
    assert decide(shuffled, quorum) == decide(seen, quorum)


def test_a_server_that_answers_differently_is_told_by_it() -> None:
    both = decide([Seen.PASSED, Seen.PASSED, Seen.FAILED], 2)
    assert both == Decision(Seen.NOTHING, differs=True)
    assert not decide([Seen.PASSED, Seen.NOTHING], 2).differs
    assert decide([Seen.PASSED, Seen.PROVEN], 2) == Decision(Seen.FAILED, differs=True)


@given(PLACES)
def test_ranges_part_all_probes_and_no_two_of_them_are_near(places: list[Place]) -> None:
    groups = ranges(places)
    by_key = {place.key: place for place in places}
    assert sorted(key for group in groups for key in group) == sorted(by_key)
    for group in groups:
        for other in groups:
            if group is not other:
                assert not any(are_near(by_key[a], by_key[b]) for a in group for b in other)


@given(PLACES, st.integers(1, 4), st.randoms(use_true_random=False))
def test_probes_that_are_drawn_are_of_distinct_ranges_and_never_the_same_twice_running(
    places: list[Place], count: int, lots: random.Random
) -> None:
    groups = ranges(places)
    previous: frozenset[int] = frozenset()
    for _ in range(6):
        try:
            chosen = draw(places, count, previous=previous, sample=lots.sample)
        except NoSetError:
            # Only if there are too few ranges, or no other set than the one that came last.
            only = len(groups) == count and all(len(group) == 1 for group in groups)
            assert len(groups) < count or (only and previous)
            return
        assert len(chosen) == count
        assert all(len(chosen & group) <= 1 for group in groups)
        assert chosen != previous
        previous = chosen


@settings(deadline=None, max_examples=30)
@given(PLACES)
def test_every_probe_has_its_turn(places: list[Place]) -> None:
    lots, drawn = random.Random(25), set[int]()
    for _ in range(400 if places else 0):
        drawn |= draw(places, 1, previous=(), sample=lots.sample)
    assert drawn == {place.key for place in places}


def test_too_few_ranges_make_no_set() -> None:
    same = [Place(1, "192.0.2.0/24"), Place(2, "192.0.2.128/25"), Place(3, "198.51.100.0/24")]
    with pytest.raises(NoSetError, match="3 probes of distinct network ranges are needed"):
        draw(same, 3, previous=(), sample=random.Random(1).sample)


def test_probes_of_one_as_are_of_one_range() -> None:
    same = [Place(1, "192.0.2.0/24", 64500), Place(2, "198.51.100.0/24", 64500)]
    assert ranges(same) == [frozenset({1, 2})]
