"""What needs no server: certificates, and verdicts over every reply that there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.certification import catalogue
from countersign.certification.certificate import judge_certificate
from countersign.certification.judge import Judgement
from countersign.certification.judge_questions import (
    judge_sequence,
    judge_suspension,
    judge_syntax,
    judge_verification,
)
from countersign.certification.judge_state import (
    judge_again,
    judge_argument,
    judge_control,
    judge_reset,
)
from countersign.certification.judge_strangers import (
    judge_anonymous,
    judge_expn,
    judge_vrfy,
    mechanisms_of,
)
from countersign.certification.outcome import TestOutcome, Verdict
from countersign.certification.said import Said, Trouble
from countersign.protocol.reply import Reply

HOST = "mail.local.example"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PASSED, FAILED = Verdict.PASSED, Verdict.FAILED


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    *names: str,
    subject: str = HOST,
    issuer: str = "Some CA",
    begin: datetime = NOW - DAY,
    end: datetime = NOW + DAY,
) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if names:
        extension = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("der", "verdict", "words"),
    [
        (certificate(HOST), PASSED, "Of CN=mail.local.example, by CN=Some CA, from 2026-11-24 to"),
        (certificate("*.local.example"), PASSED, "2026-11-26"),
        (certificate("MAIL.Local.Example."), PASSED, ""),
        (certificate(), PASSED, ""),
        (certificate(end=NOW - DAY / 2), Verdict.INFORMATION, "is expired"),
        (certificate(begin=NOW + DAY / 2), Verdict.INFORMATION, "is not yet valid"),
        (certificate(issuer=HOST), Verdict.INFORMATION, "is self-signed"),
        (certificate("www.x.example"), Verdict.INFORMATION, "is for www.x.example, and not for"),
        (certificate("*.example"), Verdict.INFORMATION, "and not for mail.local.example"),
        (certificate(subject="x\x1b[2J"), Verdict.INFORMATION, "\\x1b"),
        (b"", Verdict.COULD_NOT_TEST, "no certificate"),
        (None, Verdict.COULD_NOT_TEST, "no certificate"),
        (b"\x30\x03\x02\x01\x00", Verdict.INFORMATION, "cannot be read"),
    ],
)
def test_a_certificate_is_told_and_fails_nobody(
    der: bytes | None, verdict: Verdict, words: str
) -> None:
    judgement = judge_certificate(der, HOST, NOW)
    assert judgement.verdict is verdict
    assert words in judgement.explanation
    assert "\x1b" not in judgement.explanation


@settings(max_examples=1000)
@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_any_octets_of_a_certificate_are_told_in_bounded_words(
    octets: bytes, at: int, octet: int
) -> None:
    whole = bytearray(CHANGED)
    whole[at % len(whole)] = octet
    for der in (octets, bytes(whole)):
        judgement = judge_certificate(der, HOST, NOW)
        assert judgement.verdict is not FAILED
        as_outcome(judgement)


CHANGED = certificate(HOST, issuer=HOST)


def as_outcome(judgement: Judgement) -> TestOutcome:
    return TestOutcome(
        name="x",
        title="x",
        verdict=judgement.verdict,
        explanation=judgement.explanation,
        is_essential=False,
    )


def test_all_names_are_shown_in_part_only() -> None:
    names = [f"{'a' * 60}.{number}.{'b' * 60}.example" for number in range(200)]
    as_outcome(judge_certificate(certificate(*names), HOST, NOW))


# -- replies -------------------------------------------------------------------------------

SAID: st.SearchStrategy[Said] = st.one_of(
    st.sampled_from(Trouble),
    st.builds(
        Reply,
        st.integers(200, 599),
        st.tuples(st.sampled_from(["FALSE", "TRUE", "x a@b.c", "\0" * 400])),
    ),
)


def judgements(first: Said, second: Said) -> list[Judgement]:
    offered = {"XVERIFY": "", "XSESSIONID": ""}
    return [
        judge_verification(offered, first, answered_elsewhere=True),
        judge_verification(offered, first, answered_elsewhere=False),
        judge_suspension(first, has_answered=True),
        judge_suspension(first, has_answered=False),
        judge_sequence(first),
        judge_syntax([("a", first), ("b", second)]),
        judge_argument(first),
        judge_again(first, {}),
        judge_reset(first, second, second),
        judge_reset(first, None, None),
        judge_anonymous(first),
        judge_vrfy(first, second),
        judge_expn(first, "postmaster"),
    ]


@given(SAID, SAID)
def test_trouble_and_deferrals_neither_pass_nor_fail(first: Said, second: Said) -> None:
    for judgement in judgements(first, second):
        as_outcome(judgement)
    lost: list[Said] = [*Trouble, Reply(421, ("4.3.0 Busy",)), Reply(451, ("4.3.0 Later",))]
    for said in lost:
        for judgement in judgements(said, said):
            assert judgement.verdict is Verdict.COULD_NOT_TEST, (said, judgement)


@given(SAID)
def test_true_about_a_wrong_id_always_fails(said: Said) -> None:
    true = Reply(250, ("TRUE",), "2.7.0")
    assert judge_suspension(true, has_answered=False).verdict is FAILED
    assert judge_sequence(true).verdict is FAILED
    assert judge_syntax([("a", said), ("b", true)]).verdict is FAILED


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5), st.text())
def test_any_extensions_can_be_read(extensions: dict[str, str], token: str) -> None:
    upper = {keyword.upper(): parameters for keyword, parameters in extensions.items()}
    mechanisms = mechanisms_of(upper)
    assert len(set(mechanisms)) == len(mechanisms)
    verdict = judge_control(Reply(250, ("x",)), upper, token).verdict
    assert verdict is Verdict.INFORMATION


def test_every_test_has_a_name_of_its_own_a_title_and_one_sentence() -> None:
    tests = catalogue.all_tests()
    assert len({test.name for test in tests}) == len(tests) > 60
    for test in tests:
        assert test.title
        assert test.why.endswith(".")
        assert ". " not in test.why, test.name
    names = {test.name for test in tests}
    groups = (catalogue.IN_CLEAR, catalogue.IN_TLS, catalogue.STRANGERS, catalogue.QUESTIONS)
    assert {test.name for group in groups for test in group} <= names
