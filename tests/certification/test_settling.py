"""What arrived, put together with what probes saw, and what several perspectives say together."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.certification.outcome import BatteryResult, Proof, TestOutcome, Verdict
from countersign.certification.report import Perspective, Report, one_perspective
from countersign.certification.settling import Arrived, is_awaited, settle
from countersign.certification.test_address import Kind
from countersign.rules.perspectives import Seen

NUMBERS = ("a" * 16, "b" * 16, "c" * 16)
NOW = datetime(2026, 11, 25, tzinfo=UTC)

outcomes = st.builds(
    TestOutcome,
    name=st.sampled_from(("one", "two", "three")),
    title=st.just("x"),
    verdict=st.sampled_from(Verdict),
    explanation=st.just("x"),
    is_essential=st.booleans(),
    messages=st.lists(st.sampled_from(NUMBERS), max_size=2).map(tuple),
)
results = st.lists(outcomes, max_size=6).map(
    lambda made: BatteryResult(
        host="mail.a.example", addresses=(), begun_at=NOW, ended_at=NOW, outcomes=tuple(made)
    )
)
arrivals = st.lists(st.builds(Arrived, st.sampled_from(Kind), st.sampled_from(NUMBERS)), max_size=4)


def outcome(verdict: Verdict, *messages: str, essential: bool = True) -> TestOutcome:
    return TestOutcome(
        name="relay-from-null",
        title="x",
        verdict=verdict,
        explanation="x",
        is_essential=essential,
        messages=messages,
    )


def result(*made: TestOutcome) -> BatteryResult:
    return BatteryResult(
        host="mail.a.example", addresses=(), begun_at=NOW, ended_at=NOW, outcomes=made
    )


def report(quorum: int, *seen: BatteryResult | None) -> Report:
    perspectives = tuple(
        Perspective(label=label, result=one) for label, one in zip("ABCDEFG", seen, strict=False)
    )
    return Report(host="mail.a.example", quorum=quorum, perspectives=perspectives)


@given(results, arrivals)
def test_what_arrives_fails_its_own_tests_and_touches_no_other(
    seen: BatteryResult, came: list[Arrived]
) -> None:
    settled = settle(seen, came)
    assert settle(settled, came) == settled, "settling twice is settling once"
    proving = {one.number for one in came if one.kind is not Kind.SENDING}
    for before, after in zip(seen.outcomes, settled.outcomes, strict=True):
        if proving & set(before.messages):
            assert after.verdict is Verdict.FAILED
            assert after.proof is not Proof.NONE
        else:
            assert after == before


@given(results, arrivals, arrivals)
def test_what_arrives_never_helps_a_server(
    seen: BatteryResult, first: list[Arrived], more: list[Arrived]
) -> None:
    early, late = settle(seen, first), settle(seen, [*first, *more])
    if early.verdict is Verdict.FAILED:
        assert late.verdict is Verdict.FAILED
    assert not (is_awaited(late) and not is_awaited(early))


def test_relaying_says_more_than_a_bounce_of_the_same_message() -> None:
    sent = result(outcome(Verdict.COULD_NOT_TEST, NUMBERS[0]))
    both = [Arrived(Kind.BOUNCED, NUMBERS[0]), Arrived(Kind.RELAYED, NUMBERS[0])]
    assert settle(sent, both).outcomes[0].proof is Proof.RELAYED
    assert settle(sent, both[:1]).outcomes[0].proof is Proof.BOUNCED


def test_a_message_is_awaited_until_it_has_arrived() -> None:
    sent = result(outcome(Verdict.COULD_NOT_TEST, NUMBERS[0]), outcome(Verdict.PASSED))
    assert is_awaited(sent)
    assert not is_awaited(settle(sent, [Arrived(Kind.RELAYED, NUMBERS[0])]))
    assert not is_awaited(result(outcome(Verdict.PASSED)))


# -- several perspectives ------------------------------------------------------------------


@given(st.lists(st.none() | results, max_size=5), st.integers(1, 5))
def test_a_report_never_passes_what_anybody_saw_fail(
    seen: list[BatteryResult | None], quorum: int
) -> None:
    made = report(quorum, *seen)
    verdicts = [one.verdict for one in seen if one is not None]
    if made.verdict is Verdict.PASSED:
        assert verdicts.count(Verdict.PASSED) >= quorum
        assert Verdict.FAILED not in verdicts
    if made.verdict is Verdict.FAILED:
        assert verdicts.count(Verdict.FAILED) >= quorum, "nothing is proven here"
    assert made.verdict is not Verdict.INFORMATION
    assert Report.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@given(st.lists(st.none() | results, max_size=5))
def test_findings_hold_every_outcome_once_and_the_worst_of_each_test(
    seen: list[BatteryResult | None],
) -> None:
    found = report(2, *seen).findings()
    assert len({one.name for one in found}) == len(found)
    assert sum(len(one.seen) for one in found) == sum(len(one.outcomes) for one in seen if one)
    for one in found:
        verdicts = {outcome.verdict for _, outcome in one.seen}
        if Verdict.FAILED in verdicts:
            assert one.verdict is Verdict.FAILED
        assert one.differs == ({Verdict.FAILED, Verdict.PASSED} <= verdicts)


def test_one_proof_is_enough_to_fail_and_one_word_is_not() -> None:
    passed = result(outcome(Verdict.PASSED))
    sent = result(outcome(Verdict.COULD_NOT_TEST, NUMBERS[0]))
    proven = settle(sent, [Arrived(Kind.RELAYED, NUMBERS[0])])
    said = result(outcome(Verdict.FAILED))
    assert report(2, passed, passed, proven).verdict is Verdict.FAILED
    assert report(2, passed, passed, proven).perspectives[2].seen is Seen.PROVEN
    assert report(2, passed, passed, proven).decision.differs
    assert report(2, passed, passed, said).verdict is Verdict.COULD_NOT_TEST
    assert report(2, passed, passed, said).decision.differs
    assert report(2, passed, said, said).verdict is Verdict.FAILED


def test_a_perspective_that_saw_nothing_neither_passes_nor_fails() -> None:
    passed, nothing = result(outcome(Verdict.PASSED)), result(outcome(Verdict.COULD_NOT_TEST))
    assert report(2, passed, passed, None).verdict is Verdict.PASSED
    assert report(2, passed, passed, nothing).verdict is Verdict.PASSED
    assert report(2, passed, nothing, None).verdict is Verdict.COULD_NOT_TEST
    assert report(2).verdict is Verdict.COULD_NOT_TEST
    assert one_perspective(passed).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    "changes", [{"quorum": 0}, {"host": "x" * 300}, {"perspectives": [{"label": "a"}]}, {"x": 1}]
)
def test_what_is_no_report_is_refused(changes: dict[str, object]) -> None:
    good = report(2, result(outcome(Verdict.PASSED))).to_dict()
    Report.from_dict(good)
    with pytest.raises(ValueError, match=next(iter(changes))):
        Report.from_dict(good | changes)


def at(address: str, verdict: Verdict) -> TestOutcome:
    return outcome(verdict).model_copy(update={"address": address})


def seen_at(*made: TestOutcome) -> BatteryResult:
    """A result of a host with two addresses."""
    return result(*made).model_copy(update={"addresses": ("192.0.2.1", "2001:db8::1")})


def test_a_host_has_not_passed_while_nobody_reached_one_of_its_addresses() -> None:
    first = at("192.0.2.1", Verdict.PASSED)
    no_route = seen_at(first, at("2001:db8::1", Verdict.INFORMATION))
    found = report(2, no_route, no_route, no_route)
    assert found.unreached == ("2001:db8::1",)
    assert found.verdict is Verdict.COULD_NOT_TEST
    reached = seen_at(first, at("2001:db8::1", Verdict.PASSED))
    found = report(2, no_route, reached, no_route)
    assert found.unreached == ()
    assert found.verdict is Verdict.PASSED
