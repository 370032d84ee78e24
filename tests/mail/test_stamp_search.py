"""Tracking stamps are found in whatever an operator is sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.mail.stamp import Stamp, new_id, stamp_field
from countersign.mail.stamp_search import MAX_STAMPS, find_stamps

STAMP = Stamp("mail.example.org", new_id(b"0123456789abcdef"), datetime(2026, 1, 2, tzinfo=UTC))
NAMED = Stamp(STAMP.host, new_id(bytes(16)), STAMP.at, "änn" * 60 + "@example.org")
FIELD = stamp_field(STAMP)


def quoted(field: bytes, mark: bytes = b"> ") -> bytes:
    return b"".join(mark + line + b"\r\n" for line in field.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        FIELD,
        b"Subject: x\r\n" + FIELD + b"To: y@example.org\r\n\r\nText\r\n",
        FIELD.replace(b"\r\n", b"\n"),
        FIELD.replace(b"Message-Tracking:", b"MESSAGE-tracking :"),
        b"Dear sirs,\n\n" + quoted(FIELD) + b"> To: y@example.org\n\nwas spam.\n",
        b"Content-Type: message/rfc822\r\n\r\nReceived: x\r\n" + FIELD + b"\r\n",
        quoted(quoted(FIELD)),
        quoted(FIELD, b"    "),
        FIELD + b"\r\n" + FIELD + quoted(FIELD),
    ],
)
def test_a_stamp_is_found_once_wherever_it_stands(text: bytes) -> None:
    assert find_stamps(text) == [STAMP]


def test_several_stamps_are_found_in_their_order_names_and_all() -> None:
    assert find_stamps(stamp_field(NAMED) + FIELD) == [NAMED, STAMP]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"X-" + FIELD,
        b"see Message-Tracking: v=1\r\n",
        FIELD.replace(b"v=1", b"v=2"),
        FIELD.replace(b"\r\n\t", b"\r\n"),
        b"Message-Tracking: \xff\x00\r\n",
    ],
)
def test_what_only_looks_like_one_is_passed_over(text: bytes) -> None:
    assert find_stamps(text) == []


def test_their_number_is_bounded() -> None:
    fields = (
        stamp_field(Stamp(STAMP.host, new_id(number.to_bytes(16, "big")), STAMP.at))
        for number in range(MAX_STAMPS + 5)
    )
    assert len(find_stamps(b"".join(fields))) == MAX_STAMPS


@given(st.lists(st.sampled_from([b"> ", b"\t", b" ", b"\n", b"Message-Tracking:", b"v=1;", FIELD])))
def test_any_text_is_read_without_an_error(parts: list[bytes]) -> None:
    assert set(find_stamps(b"".join(parts))) <= {STAMP}
