"""Who may be a known offender: scores, reasons, verdict."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.rules.screening import (
    Identity,
    Level,
    Match,
    Thresholds,
    Verdict,
    compare,
    fold_name,
    judge,
)

BORN = date(1970, 12, 31)
ADDRESS = "1 George Street, Sydney NSW 2000, Australia"
ZOE = Identity("Zoë Müller", BORN, ADDRESS, frozenset({"digest"}))
THRESHOLDS = Thresholds()


def score(applicant: Identity, offender: Identity) -> int:
    return compare(applicant, offender, 1, Level.WARNED).score


def verdict(*matches: Match) -> Verdict:
    return judge(matches, THRESHOLDS).verdict


def a_match(score: int, *, exact: bool = False, level: Level = Level.WARNED) -> Match:
    return Match(1, level, score, exact, ())


@pytest.mark.parametrize("name", ["MULLER, Zoe", "zoé  müller", "Müller-Zoë", "Zoe Mu\u0308ller"])
def test_accents_case_and_order_of_a_name_make_no_difference(name: str) -> None:
    assert fold_name(name) == fold_name("Zoë Müller") == "muller zoe"


def test_the_same_number_is_exact_whatever_else_differs() -> None:
    match = compare(ZOE, Identity("Nobody", number_digests=frozenset({"digest"})), 7, Level.BARRED)
    assert (match.score, match.exact, match.offender_id) == (100, True, 7)


def test_likeness_is_never_certain() -> None:
    same = Identity("Zoë Müller", BORN, ADDRESS)
    match = compare(Identity("Zoë Müller", BORN, ADDRESS), same, 1, Level.BARRED)
    assert match.score == 99
    assert not match.exact


def test_another_birth_date_speaks_against_the_same_name() -> None:
    assert score(ZOE, Identity("Zoë Müller", date(1951, 5, 4))) < THRESHOLDS.review
    assert score(ZOE, Identity("Zoë Müller", BORN)) >= THRESHOLDS.review


def test_day_and_month_exchanged_or_one_part_mistyped_still_count() -> None:
    born = date(1970, 3, 9)
    applicant = Identity("Max Mustermann", born)
    exchanged = score(applicant, Identity("Max Mustermann", date(1970, 9, 3)))
    mistyped = score(applicant, Identity("Max Mustermann", date(1971, 3, 9)))
    assert score(applicant, applicant) > exchanged > mistyped >= THRESHOLDS.review


def test_a_company_of_the_same_name_is_worth_a_look_wherever_it_is() -> None:
    company = Identity("Phoenix Mail Pty Ltd", None, ADDRESS)
    for address in ("", ADDRESS, "99 Other Road, Perth WA 6000, Australia"):
        assert score(company, Identity("Phoenix Mail Pty Ltd", None, address)) >= 70
    assert score(company, Identity("Harbour Bread Pty Ltd", None, ADDRESS)) < 70


def test_a_verdict_follows_from_the_matches() -> None:
    assert verdict() is Verdict.CLEAN
    assert verdict(a_match(THRESHOLDS.review - 1)) is Verdict.CLEAN
    assert verdict(a_match(99, level=Level.BARRED)) is Verdict.DOUBTFUL
    assert verdict(a_match(100, exact=True)) is Verdict.MULTIPLY
    assert verdict(a_match(100, exact=True), a_match(80)) is Verdict.DOUBTFUL
    assert verdict(a_match(80), a_match(100, exact=True, level=Level.BARRED)) is Verdict.DENY


def test_matches_are_shown_the_likeliest_first() -> None:
    shown = judge([a_match(75), a_match(100, exact=True), a_match(90), a_match(10)], THRESHOLDS)
    assert [match.score for match in shown.matches] == [100, 90, 75]


_identities = st.builds(
    Identity,
    st.text(max_size=30),
    st.none() | st.dates(),
    st.text(max_size=40),
    st.frozensets(st.sampled_from("abc"), max_size=2),
)


@given(_identities, _identities)
def test_scores_stay_in_bounds_and_only_numbers_are_exact(one: Identity, other: Identity) -> None:
    match = compare(one, other, 1, Level.WARNED)
    assert 0 <= match.score <= 100
    assert match.exact == bool(one.number_digests & other.number_digests)
    assert match.reasons


@given(st.lists(st.builds(a_match, st.integers(0, 99)), max_size=5))
def test_likeness_alone_never_denies(matches: list[Match]) -> None:
    assert verdict(*matches) in (Verdict.CLEAN, Verdict.DOUBTFUL)
