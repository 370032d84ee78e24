from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.registrar.money.reference import make_reference
from countersign.registrar.money.webhook import MAX_BODY, Reason, WebhookError, sign, verify

SECRET, OLD, OTHER = b"new secret " * 3, b"old secret " * 3, b"other secret " * 3
NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


def notice(**changed: Any) -> bytes:
    fields = {
        "event": "evt_0001",
        "payment": "pay_77",
        "reference": make_reference(42),
        "amount": 250_000,
        "currency": "USD",
        "paid_at": "2026-03-01T11:59:00Z",
    }
    fields = {name: value for name, value in (fields | changed).items() if value is not ...}
    return json.dumps(fields).encode()


def refusal(header: str | None, body: bytes, *secrets: bytes, now: datetime = NOW) -> Reason:
    with pytest.raises(WebhookError) as caught:
        verify(secrets or (SECRET,), header, body, now)
    return caught.value.reason


def test_a_signed_notice_is_read() -> None:
    body = notice(reference="rf43 CS00 0000 0042")
    read = verify([SECRET], sign(SECRET, body, NOW), body, NOW)
    assert (read.event, read.payment, read.amount) == ("evt_0001", "pay_77", 250_000)
    assert read.reference == make_reference(42)
    assert read.paid_at == datetime(2026, 3, 1, 11, 59, tzinfo=UTC)


def test_old_and_new_secret_are_good_while_the_secret_is_changed() -> None:
    body = notice()
    for signer in (SECRET, OLD):
        verify([SECRET, OLD], sign(signer, body, NOW), body, NOW)
    both = f"{sign(OTHER, body, NOW)},{sign(OLD, body, NOW).split(',')[1]}"
    verify([OLD], both, body, NOW)


def test_a_wrong_secret_and_a_changed_body_are_refused() -> None:
    body = notice()
    assert refusal(sign(OTHER, body, NOW), body) is Reason.SIGNATURE
    assert refusal(sign(SECRET, body, NOW), body.replace(b"250000", b"999999")) is Reason.SIGNATURE
    moved = sign(SECRET, body, NOW - timedelta(days=1)).split(",")[1]
    assert refusal(f"t={int(NOW.timestamp())},{moved}", body) is Reason.SIGNATURE


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_out_of_its_time_is_refused(seconds: int) -> None:
    body = notice()
    header = sign(SECRET, body, NOW + timedelta(seconds=seconds))
    assert refusal(header, body) is Reason.TIME


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    body = notice()
    verify([SECRET], sign(SECRET, body, NOW + timedelta(seconds=seconds)), body, NOW)


def test_without_a_secret_everything_is_refused() -> None:
    body = notice()
    assert refusal(sign(b"", body, NOW), body, b"") is Reason.NO_SECRET


@pytest.mark.parametrize(
    "header",
    [None, "", "t=1", "v1=" + "0" * 64, "t=,v1=" + "0" * 64, "t=1,t=2,v1=" + "0" * 64, "x" * 5000],
)
def test_malformed_headers_are_refused(header: str | None) -> None:
    assert refusal(header, notice()) is Reason.HEADER


def test_a_header_with_a_crowd_of_signatures_is_refused() -> None:
    assert refusal("t=1" + (",v1=" + "0" * 64) * 11, notice()) is Reason.HEADER


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": "250000"},
        {"amount": 2500.0},
        {"amount": 0},
        {"amount": -1},
        {"amount": True},
        {"currency": "usd"},
        {"currency": "QQQ"},
        {"reference": "RF00CS0000000042"},
        {"reference": None},
        {"paid_at": "2026-03-01T11:59:00"},
        {"event": ""},
        {"event": "a\nb"},
        {"refunded": True},
        {"payment": ...},
    ],
)
def test_malformed_notices_are_refused_though_signed(changed: dict[str, Any]) -> None:
    body = notice(**changed)
    assert refusal(sign(SECRET, body, NOW), body) is Reason.BODY


def test_the_error_does_not_repeat_what_was_sent() -> None:
    body = notice(amount="Jane Roe")
    with pytest.raises(WebhookError) as caught:
        verify([SECRET], sign(SECRET, body, NOW), body, NOW)
    assert "Jane" not in str(caught.value) and "amount" in str(caught.value)


def test_a_big_body_is_refused_before_anything_is_computed() -> None:
    body = b" " * (MAX_BODY + 1)
    assert refusal(sign(SECRET, body, NOW), body) is Reason.TOO_BIG


@given(st.text(max_size=200), st.binary(max_size=200))
def test_arbitrary_requests_give_a_refusal(header: str, body: bytes) -> None:
    refusal(header, body)
    assert refusal(sign(SECRET, body, NOW), body) is Reason.BODY
