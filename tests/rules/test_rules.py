"""The pure rules: suspension, verification, admission, networks, routing."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.rules.admission import Admission, BlockRule, Client, admit, refuses_connection
from countersign.rules.network import canonical, in_networks, is_callback_target, network_key
from countersign.rules.routing import NoRoute, Route, route
from countersign.rules.suspension import Answer, Rule, Standing, decide
from countersign.rules.verification import (
    Consequence,
    Outcome,
    judge,
    refusal_by_registry,
)

standings, rules = st.sampled_from(Standing), st.sampled_from(Rule)


@given(standings, rules)
def test_true_is_said_of_own_sessions_only(standing: Standing, rule: Rule) -> None:
    decision = decide(standing, is_own_session=False, rule=rule)
    assert decision.answer is not Answer.TRUE
    assert (decision.answer is Answer.FALSE) == (standing is Standing.FREE)


@pytest.mark.parametrize(
    ("standing", "rule", "answer"),
    [
        (Standing.FREE, Rule.ALWAYS, Answer.TRUE),
        (Standing.ANSWERED, Rule.ALWAYS, Answer.SUSPENDED),
        (Standing.WRONG_ID, Rule.ALWAYS, Answer.SUSPENDED),
        (Standing.ANSWERED, Rule.EXCEPT_OWN, Answer.TRUE),
        (Standing.WRONG_ID, Rule.EXCEPT_OWN, Answer.SUSPENDED),
        (Standing.ANSWERED, Rule.UNKNOWN_ONLY, Answer.TRUE),
        (Standing.WRONG_ID, Rule.UNKNOWN_ONLY, Answer.TRUE),
    ],
)
def test_own_sessions_under_each_rule(standing: Standing, rule: Rule, answer: Answer) -> None:
    assert decide(standing, is_own_session=True, rule=rule).answer is answer


@given(st.lists(st.booleans(), max_size=20), rules)
def test_guessing_never_gets_easier_nor_lasts_longer(guesses: list[bool], rule: Rule) -> None:
    """However questions mix, a wrong ID leads to the strict suspension, which is not renewed."""
    standing = Standing.FREE
    for is_own in guesses:
        decision = decide(standing, is_own_session=is_own, rule=rule)
        if standing is Standing.WRONG_ID:
            assert decision.suspend is None
        elif not is_own:
            assert decision.suspend is Standing.WRONG_ID
        standing = decision.suspend or standing


@given(st.booleans(), st.booleans(), st.booleans())
def test_a_copy_too_old_to_tell_refuses_nobody_that_it_does_not_know(
    is_listed: bool, is_suspended: bool, is_stale: bool
) -> None:
    outcome = refusal_by_registry(is_listed=is_listed, is_suspended=is_suspended, is_stale=is_stale)
    if is_listed:
        assert outcome is (Outcome.SUSPENDED_SERVER if is_suspended else None)
    else:
        assert outcome is not None
        consequence = judge(outcome).consequence
        assert consequence is (Consequence.DEFER if is_stale else Consequence.REFUSE_AND_BLOCK)


def test_only_a_no_blocks_and_only_a_proof_admits() -> None:
    no = {Outcome.FALSE, Outcome.NOT_REGISTERED, Outcome.SUSPENDED_SERVER}
    for outcome in Outcome:
        consequence = judge(outcome).consequence
        assert (consequence is Consequence.ADMIT) == (outcome is Outcome.PROVEN)
        assert (consequence is Consequence.REFUSE_AND_BLOCK) == (outcome in no)


@given(st.booleans(), st.booleans(), st.booleans())
def test_the_allow_list_always_wins(allowed: bool, proven: bool, blocked: bool) -> None:
    decision = admit(Client(is_allowed=allowed, is_proven=proven, is_blocked=blocked))
    assert decision.admits == (allowed or proven)
    assert (decision is Admission.REJECT_BLOCKED) == (blocked and not allowed and not proven)
    assert not refuses_connection(is_allowed=True, blocks=5, rule=BlockRule.ALL)


def test_refusal_at_the_greeting_is_for_the_literal_rule() -> None:
    assert refuses_connection(is_allowed=False, blocks=1, rule=BlockRule.ALL)
    assert not refuses_connection(is_allowed=False, blocks=0, rule=BlockRule.ALL)
    assert not refuses_connection(is_allowed=False, blocks=1, rule=BlockRule.CLAIMED_HOST)


@given(st.ip_addresses())
def test_keys_of_networks(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    key = network_key(str(address))
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped
    if address.version == 4 or mapped:
        assert key == canonical(str(address))
        assert "." in key
    else:
        assert address in ipaddress.ip_network(key)
        assert key.endswith("/64")


NOT_TO_BE_CALLED = [
    *("127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.1.1", "0.0.0.0", "224.0.0.1"),
    *("100.64.0.1", "255.255.255.255", "8.8.8.8", "::1", "fe80::1", "fc00::1", "ff02::1"),
    "::ffff:127.0.0.1",
]


@pytest.mark.parametrize(
    "address",
    NOT_TO_BE_CALLED,
)
def test_callbacks_go_to_public_addresses_of_others_only(address: str) -> None:
    assert not is_callback_target(address, own_addresses={"8.8.8.8"}, permitted_networks=())
    assert is_callback_target("9.9.9.9", own_addresses={"8.8.8.8"}, permitted_networks=())
    assert is_callback_target("10.0.0.1", own_addresses=(), permitted_networks=("10.0.0.0/8",))


def test_membership_does_not_mix_families() -> None:
    assert not in_networks("1.2.3.4", [ipaddress.ip_network("::/0")])
    assert in_networks("::ffff:1.2.3.4", [ipaddress.ip_network("1.2.3.0/24")])


def keep_order(_names: list[str]) -> None:
    """A shuffle that does not."""


def test_routes() -> None:
    def find(*records: tuple[int, str]) -> Route | NoRoute:
        return route("d.example", records, own_names={"own.example"}, shuffle=keep_order)

    assert find() == Route(("d.example",), implicit=True)
    assert find((0, ".")) is NoRoute.NULL_MX
    assert find((20, "b.example."), (10, "A.example.")) == Route(
        ("a.example", "b.example"), implicit=False
    )
    assert find((10, "a.example"), (20, "own.example"), (30, "c.example")) == Route(
        ("a.example",), implicit=False
    )
    assert find((10, "own.example"), (20, "b.example")) is NoRoute.LOOP
    assert find((10, "1.2.3.4")) is NoRoute.NO_VALID_HOST


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcdefgh")), max_size=8))
def test_preference_comes_before_chance(records: list[tuple[int, str]]) -> None:
    named = [(preference, f"{name}.example") for preference, name in records]
    found = route("d.example", named, own_names=(), shuffle=lambda names: names.reverse())
    if isinstance(found, Route) and not found.implicit:
        best = {name: min(p for p, other in named if other == name) for _, name in named}
        order = [best[name] for name in found.exchangers]
        assert order == sorted(order)
        assert set(found.exchangers) == set(best)
