"""Test addresses, signatures, and the orders that are signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from countersign.certification import test_address
from countersign.certification.assignment import Assignment, Order
from countersign.certification.settings import Battery
from countersign.certification.signing import (
    Purpose,
    SignatureError,
    public_text,
    read_public,
    request_octets,
    sign,
    verify,
)
from countersign.certification.test_address import ALPHABET, Kind, TestAddress

part = st.text(ALPHABET, min_size=16, max_size=16)
kinds = st.sampled_from(Kind)
KEY = Ed25519PrivateKey.generate()


# -- addresses -----------------------------------------------------------------------------


@given(kinds, part, part, st.booleans())
def test_an_address_is_read_as_it_was_written_in_whatever_case(
    kind: Kind, mark: str, number: str, upper: bool
) -> None:
    address = TestAddress(kind, mark, "" if kind is Kind.SENDING else number)
    written = str(address)
    assert len(written) <= 64, "RFC 5321, section 4.5.3.1.1"
    assert test_address.read(written.upper() if upper else written) == address


@given(st.text(max_size=60))
def test_other_local_parts_are_no_test_addresses(text: str) -> None:
    found = test_address.read(text)
    assert found is None or str(found) == text.lower()


@given(kinds, part, part, st.text(min_size=1, max_size=3))
def test_nothing_may_stand_around_a_test_address(
    kind: Kind, mark: str, number: str, more: str
) -> None:
    written = str(TestAddress(kind, mark, "" if kind is Kind.SENDING else number))
    assert test_address.read(more + written) is None
    assert test_address.read(written + more) is None


@pytest.mark.parametrize(
    "text", ["", "r-", f"r-{'a' * 16}", f"s-{'a' * 16}-{'b' * 16}", f"r-{'1' * 16}-{'b' * 16}"]
)
def test_half_an_address_is_none(text: str) -> None:
    assert test_address.read(text) is None


# -- signatures ----------------------------------------------------------------------------


@given(st.sampled_from(Purpose), st.binary(max_size=500))
def test_a_signature_is_good_for_its_purpose_and_octets_only(
    purpose: Purpose, octets: bytes
) -> None:
    signature = sign(KEY, purpose, octets)
    public = read_public(public_text(KEY.public_key()))
    verify(public, purpose, octets, signature)
    for other in set(Purpose) - {purpose}:
        with pytest.raises(SignatureError):
            verify(public, other, octets, signature)
    with pytest.raises(SignatureError):
        verify(public, purpose, octets + b"x", signature)
    with pytest.raises(SignatureError):
        verify(Ed25519PrivateKey.generate().public_key(), purpose, octets, signature)


@given(st.text(max_size=120))
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(SignatureError):
        verify(KEY.public_key(), Purpose.ORDER, b"order", text)


@given(st.text(max_size=60))
def test_what_is_no_key_is_refused(text: str) -> None:
    try:
        key = read_public(text)
    except ValueError:
        return
    assert read_public(public_text(key)).public_bytes_raw() == key.public_bytes_raw()


line = st.text(st.characters(exclude_characters="\n", exclude_categories=("Cs",)), max_size=20)


@given(st.tuples(line, line, line, line), st.tuples(line, line, line, line))
def test_different_requests_are_never_signed_alike(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str]
) -> None:
    def octets(request: tuple[str, str, str, str]) -> bytes:
        return request_octets(*request)

    assert octets(one).startswith(one[0].upper().encode())
    alike = (one[0].upper(), *one[1:]) == (other[0].upper(), *other[1:])
    assert (octets(one) == octets(other)) == alike


# -- orders --------------------------------------------------------------------------------


def order(**changes: Any) -> Order:
    now = datetime(2026, 11, 25, 9, tzinfo=UTC)
    values: dict[str, Any] = {
        "id": 1,
        "probe": 2,
        "made_at": now,
        "ends_at": now + timedelta(hours=1),
        "assignment": Assignment(host="mail.a.example", mark="a" * 16),
    }
    return Order(**(values | changes))


def test_an_order_says_all_that_the_battery_is_told() -> None:
    battery = Battery(port=2525, without=("vrfy",), messages=3)
    made = order(
        assignment=Assignment(host="mail.a.example", traps=("t@b.example",), battery=battery)
    )
    assert Order.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    "assignment",
    [
        {"host": "x" * 256},
        {"mark": "short"},
        {"mark": "A" * 16},
        {"mark": "a" * 16 + "\n"},
        {"control_token": "x" * 65},
        {"traps": ["t@b.example"] * 101},
        {"battery": {"port": 0}},
        {"battery": {"about": "javascript:alert(1)"}},
        {"battery": {"timeout": -1}},
        {"sources": ["192.0.2.1"]},
    ],
)
def test_an_assignment_out_of_bounds_is_refused(assignment: dict[str, Any]) -> None:
    Assignment.model_validate({"host": "mail.a.example"})
    with pytest.raises(ValueError, match=next(iter(assignment))):
        Assignment.model_validate({"host": "mail.a.example"} | assignment)


def test_an_order_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="ends_at"):
        order(ends_at=datetime(2026, 11, 25, 9))
