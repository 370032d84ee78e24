"""The report of a certification test on paper."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.certification.outcome import (
    MAX_LINE,
    MAX_LINES,
    BatteryResult,
    Direction,
    Line,
    TestOutcome,
    Verdict,
)
from countersign.certification.report import Perspective, Report, one_perspective
from countersign.registrar.documents.report import MAX_DETAILED, MAX_TESTS, report_pdf
from tests.registrar.documents.reading import open_pdf, text_of, title_of
from tests.registrar.documents.values import ISSUER, MADE_AT


def outcome(name: str, verdict: Verdict, **changes: object) -> TestOutcome:
    values = {
        "name": name,
        "title": f"Title of {name}",
        "verdict": verdict,
        "explanation": f"What was found of {name}.",
        "is_essential": True,
        "address": "192.0.2.1",
        "transcript": (
            Line(10, Direction.SENT, "RCPT TO:<relaytest@example.net>"),
            Line(250, Direction.RECEIVED, "250 2.1.5 Ok"),
        ),
    }
    return TestOutcome.model_validate(values | changes)


def result(*outcomes: TestOutcome) -> BatteryResult:
    return BatteryResult(
        host="mail.obrien.example",
        addresses=("192.0.2.1",),
        begun_at=MADE_AT - timedelta(minutes=9),
        ended_at=MADE_AT,
        outcomes=outcomes,
    )


def report_of(*results: BatteryResult | None) -> Report:
    perspectives = tuple(
        Perspective(label=label, result=one)
        for label, one in zip("ABCDEFGHIJ", results, strict=False)
    )
    return Report(host="mail.obrien.example", quorum=2, perspectives=perspectives)


def flat(octets: bytes) -> str:
    return " ".join(text_of(octets).split())


def test_a_report_tells_verdicts_by_perspective_and_what_to_do() -> None:
    bad = result(outcome("connection", Verdict.PASSED), outcome("relay-from-null", Verdict.FAILED))
    good = result(outcome("connection", Verdict.PASSED), outcome("relay-from-null", Verdict.PASSED))
    octets = report_pdf(
        report_of(bad, bad, good, None), issuer=ISSUER, made_at=MADE_AT, number=17, cause="report"
    )
    text = flat(octets)
    assert title_of(octets) == "Certification test: mail.obrien.example"
    assert "Failed Host mail.obrien.example" in text
    assert "Test run 17 Cause report Perspectives 4, of which 2 decide No result from D" in text
    assert "Test A B C D" in text
    assert "Title of relay-from-null FAILED FAILED passed –" in text
    assert "passed for some of them, and failed others" in text
    assert "A, B (192.0.2.1): What was found of relay-from-null." in text
    assert "0.0 s → RCPT TO:<relaytest@example.net>" in text
    assert "0.2 s ← 250 2.1.5 Ok" in text
    for words in ("Postfix", "Exim", "Exchange", "Sendmail", "reject_unauth_destination"):
        assert words in text
    assert "2026-03-01 12:21:05 UTC to 2026-03-01 12:30:05 UTC" in text


def test_a_report_from_one_place_that_passed_has_no_failures() -> None:
    octets = report_pdf(
        one_perspective(result(outcome("connection", Verdict.PASSED))),
        issuer=ISSUER,
        made_at=MADE_AT,
    )
    text = flat(octets)
    assert "Passed Host" in text
    assert "Test Verdict Title of connection passed" in text
    assert "What failed" not in text


def test_what_failed_in_the_same_way_is_advised_once() -> None:
    forms = [f"relay-percent-{place}" for place in ("host", "domain", "literal", "localhost")]
    one = result(*(outcome(name, Verdict.FAILED) for name in forms))
    text = flat(report_pdf(one_perspective(one), issuer=ISSUER, made_at=MADE_AT))
    assert text.count("percent_hack_domains") == 1
    assert all(f"What was found of {name}." in text for name in forms)


def test_what_was_not_made_for_one_reason_is_told_once() -> None:
    names = [f"relay-{place}" for place in ("from-null", "quoted", "bang", "percent", "in-clear")]
    one = result(
        *(outcome(name, Verdict.COULD_NOT_TEST, explanation="It was enough.") for name in names)
    )
    text = flat(report_pdf(one_perspective(one), issuer=ISSUER, made_at=MADE_AT))
    assert text.count("It was enough.") == 1
    assert "Title of relay-from-null; Title of relay-quoted;" in text


def test_could_not_test_is_never_shown_as_failed() -> None:
    one = result(outcome("starttls", Verdict.COULD_NOT_TEST))
    text = flat(report_pdf(report_of(one, None, None), issuer=ISSUER, made_at=MADE_AT))
    assert "Could not be tested Host" in text
    assert "FAILED" not in text
    assert "What could not be tested" in text


def test_the_same_report_is_the_same_file() -> None:
    report = report_of(result(outcome("starttls", Verdict.FAILED)), None)
    first, second = (report_pdf(report, issuer=ISSUER, made_at=MADE_AT) for _ in range(2))
    assert first == second


def test_more_perspectives_than_fit_beside_each_other_get_tables_of_their_own() -> None:
    one = result(outcome("starttls", Verdict.PASSED))
    text = flat(report_pdf(report_of(*(one for _ in range(8))), issuer=ISSUER, made_at=MADE_AT))
    assert "Test A B C D E F" in text
    assert "Test G H" in text


@pytest.mark.slow
def test_a_report_of_a_liar_has_a_bounded_number_of_pages() -> None:
    line = Line(1, Direction.RECEIVED, "W" * MAX_LINE)
    many = result(
        *(
            outcome(
                f"unknown-{number}",
                Verdict.FAILED,
                title="T" * 2000,
                explanation="E" * 2000,
                transcript=(line,) * MAX_LINES,
            )
            for number in range(MAX_TESTS + 200)
        )
    )
    octets = report_pdf(one_perspective(many), issuer=ISSUER, made_at=MADE_AT)
    with open_pdf(octets) as pdf:
        assert len(pdf.pages) < 150
    text = flat(octets)
    assert "and 200 more" in text
    assert f"{MAX_TESTS + 200 - MAX_DETAILED} more are in the table above." in text


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=120), st.sampled_from(Verdict))
def test_whatever_a_server_said_can_be_printed(text: str, verdict: Verdict) -> None:
    one = result(
        outcome(
            "relay-of-a-new-kind",
            verdict,
            title=text or "-",
            explanation=text,
            transcript=(Line(0, Direction.RECEIVED, text),),
        )
    )
    assert report_pdf(one_perspective(one), issuer=ISSUER, made_at=MADE_AT).startswith(b"%PDF")
