"""The pure parts of a replica: whom it asks, what it demands, what it and its operator note."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from countersign.registry.replica.digests import Checked, check_digests
from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.replica.notes import (
    ACCEPT_SHRINK,
    Shrink,
    State,
    drop_word,
    give_word,
    read_state,
    word_of,
    write_state,
)
from countersign.registry.replica.primaries import BackOff, Primaries, Waits
from countersign.registry.replica.settings import ReplicaSettings
from countersign.registry.replica.words import Words
from countersign.registry.zone.digest import SIMPLE, SUM, NodeSum
from countersign.registry.zone.names import APEX, host_key
from countersign.registry.zone.records import text_record
from tests.registry.replica.zones import WIRE, Zone

times = st.floats(min_value=0, max_value=1e6)


@given(st.lists(st.booleans(), max_size=50), st.floats(0.01, 10), st.floats(10, 1000))
def test_waits_grow_to_a_bound_and_a_success_ends_them(
    outcomes: list[bool], first: float, longest: float
) -> None:
    back_off, now, before = BackOff(first, longest), 0.0, 0.0
    for is_good in outcomes:
        if is_good:
            back_off.succeeded()
            assert back_off.is_over(now)
            before = 0.0
            continue
        back_off.failed(now)
        wait = back_off.until - now
        assert not back_off.is_over(now)
        assert min(first, longest) * 0.99 <= wait <= longest * 1.01
        assert wait >= before * 0.99
        before, now = wait, back_off.until
        assert back_off.is_over(now)


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.floats(0, 5)), max_size=60),
)
def test_each_primary_is_asked_again_and_the_good_one_first(
    count: int, happenings: list[tuple[int, bool, float]]
) -> None:
    primaries = Primaries.of([f"192.0.2.{n}:53" for n in range(count)], Waits(1, 10, 5, 900), 10)
    now, good = 0.0, primaries.all[0]
    for number, is_good, later in happenings:
        one = primaries.all[number % count]
        if is_good:
            one.asking.succeeded()
            primaries.remember(one)
            good = one
        else:
            one.asking.failed(now)
        now += later
        order = primaries.in_order(now)
        assert len(set(order)) == len(order)
        assert set(order) == {found for found in primaries.all if found.is_due(now)}
        if good.is_due(now):
            assert order[0] is good
        # Nobody waits for longer than the longest wait.
        assert primaries.next_due(now) <= 10
        assert len(primaries.in_order(now + 10)) == count


@given(st.lists(st.floats(0, 20), max_size=50))
def test_a_survey_is_due_once_in_its_interval(steps: list[float]) -> None:
    primaries = Primaries.of(["192.0.2.1:53", "192.0.2.2:53"], Waits(1, 10, 5, 900), 10)
    assert primaries.survey_is_due(0)
    now, last = 0.0, 0.0
    for step in steps:
        now += step
        is_due = primaries.survey_is_due(now)
        assert is_due == (now - last >= 10)
        last = now if is_due else last
    alone = Primaries.of(["192.0.2.1:53"], Waits(1, 10, 5, 900), 10)
    assert not alone.survey_is_due(0)


def _check(zone: Zone, *, go_through: bool = True, require: bool = True) -> Checked:
    total = NodeSum()
    for key, node in zone.nodes.items():
        total.add(key, node)
    return check_digests(
        WIRE,
        zone.nodes[APEX],
        zone.serial,
        total.to_bytes(),
        lambda: sorted(zone.nodes.items()),
        go_through=go_through,
        require=require,
    )


@pytest.mark.parametrize("go_through", [True, False])
@pytest.mark.parametrize("digests", [(SUM, SIMPLE), (SUM,), (SIMPLE,), ()])
@pytest.mark.parametrize("is_changed", [True, False])
def test_a_zone_is_taken_only_if_a_digest_fits(
    digests: tuple[int, ...], go_through: bool, is_changed: bool
) -> None:
    zone = Zone(digests=digests)
    if is_changed:
        zone.nodes[host_key("spammer.example")] = text_record(300, "x")
    if not digests:
        with pytest.raises(ReplicaError) as caught:
            _check(zone)
        assert caught.value.fault is Fault.NO_DIGEST
        assert _check(zone, require=False) is Checked.NOTHING
    elif digests == (SIMPLE,) and not go_through:
        assert _check(zone, go_through=False) is Checked.LATER
    elif is_changed:
        with pytest.raises(ReplicaError) as caught:
            _check(zone, go_through=go_through, require=False)
        assert caught.value.fault is Fault.DIGEST
    else:
        found = _check(zone, go_through=go_through)
        assert found is (Checked.SUM if SUM in digests else Checked.SIMPLE)


def test_one_digest_that_fits_is_enough() -> None:
    """RFC 8976 §4: a server that signs on the way makes the standard digest anew, not ours."""
    zone = Zone()
    other = Zone(hosts=5)
    key = host_key("mail4.example.org")
    zone.digests = (SIMPLE,)
    zone.publish({key: other.nodes[key]})
    simple = zone.nodes[APEX]
    zone.digests = (SUM,)
    zone.serial -= 1
    del zone.nodes[key]
    zone.publish()
    summed = zone.nodes[APEX]
    from countersign.registry.zone.records import make_node, split_node

    zone.nodes[key] = other.nodes[key]
    zone.nodes[APEX] = make_node([*split_node(simple), *split_node(summed)])
    # The standard digest is over an apex with the digests left out, so it fits still.
    assert _check(zone) is Checked.SIMPLE


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"primaries": ["192.0.2.1:53"]}, "key_file must be given"),
        ({"primaries": ["ns.example:53"], "key_file": "/k"}, "an address, not a name"),
        ({"primaries": ["unix:/run/x"], "key_file": "/k"}, "no unix sockets"),
        ({"source_address": "here"}, "no IP address"),
        ({"max_shrink": 1.5}, "less than or equal to 1"),
        ({"on_stale": "hope"}, "'defer', 'soft' or 'accept'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ReplicaSettings.model_validate(settings)


@given(
    st.builds(
        State,
        primary=st.text(max_size=20),
        primaries=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
        error=st.text(max_size=20),
        error_at=times,
        shrink=st.none() | st.builds(Shrink, st.integers(0, 2**32), st.integers(0), st.integers(0)),
        behind_since=times,
        lag=times,
        process=st.integers(1, 2**22),
    )
)
def test_a_state_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, state: State
) -> None:
    directory = tmp_path_factory.mktemp("state")
    write_state(directory, state)
    assert read_state(directory) == state


@given(st.binary(max_size=200))
def test_any_octets_are_a_state_or_none(
    tmp_path_factory: pytest.TempPathFactory, octets: bytes
) -> None:
    directory = tmp_path_factory.mktemp("state")
    (directory / "state.json").write_bytes(octets)
    (directory / ACCEPT_SHRINK).write_bytes(octets)
    state = read_state(directory)
    assert state is None or isinstance(state, State)
    words = Words(directory)
    words.look()
    assert words.may_shrink_to is None or words.may_shrink_to >= 0


def test_a_word_is_new_once_and_taken_once(tmp_path: Path) -> None:
    words = Words(tmp_path)
    assert not words.look()
    give_word(tmp_path, ACCEPT_SHRINK, {"records": 50})
    assert stat.S_IMODE((tmp_path / ACCEPT_SHRINK).stat().st_mode) == 0o644
    assert words.look()
    assert words.may_shrink_to == 50
    assert not words.look()
    words.acted()
    assert word_of(tmp_path, ACCEPT_SHRINK) is None
    assert not words.look()
    assert words.may_shrink_to is None
    drop_word(tmp_path, ACCEPT_SHRINK)
