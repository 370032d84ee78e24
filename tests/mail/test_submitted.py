"""The header section of a submitted message."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.mail.submitted import (
    MAX_FIELDS,
    HeaderFaultError,
    complete_header,
    has_space_before_colon,
)
from countersign.mail.trace import split_fields

AT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
FROM = b"From: a@b.example\r\n"


def completed(header: bytes) -> bytes:
    return complete_header(header, hostname="mail.b.example", unique="abc", at=AT)


def test_what_is_missing_comes_at_the_end() -> None:
    assert completed(FROM) == (
        FROM + b"Date: Wed, 25 Nov 2026 08:00:00 +0000\r\nMessage-ID: <abc@mail.b.example>\r\n"
    )


def test_what_is_there_stays_however_its_name_is_written() -> None:
    header = b"from: a@b.example\r\nDATE: x\r\nmessage-id:\r\n <1@x>\r\n"
    assert completed(header) == header


def test_spaces_before_a_colon_are_left_out_and_those_behind_it_are_not() -> None:
    header = b"from \t : a : b\r\n c : d\r\nDATE:x\r\nmessage-id :\r\n <1@x>\r\n"
    tidied = b"from: a : b\r\n c : d\r\nDATE:x\r\nmessage-id:\r\n <1@x>\r\n"
    assert completed(header) == tidied
    assert [has_space_before_colon(field) for field in split_fields(header)] == [True, False, True]
    assert not any(has_space_before_colon(field) for field in split_fields(tidied))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Subject: x\r\n",
        FROM + FROM,
        b" folded first\r\n" + FROM,
        FROM + b"no colon\r\n",
        FROM + b": no name\r\n",
        FROM + b"two words: x\r\n",
        FROM + b"\xc3\xa4: x\r\n",
        FROM + b"X: y\r\n" * MAX_FIELDS,
    ],
)
def test_what_is_no_header_of_one_author_is_refused(header: bytes) -> None:
    with pytest.raises(HeaderFaultError):
        completed(header)


@given(st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"") + b"\r\n")))
def test_any_lines_are_kept_as_they_are_or_refused(lines: list[bytes]) -> None:
    header = b"".join(lines)
    try:
        result = completed(header)
    except HeaderFaultError:
        return
    assert re.sub(rb"(?m)[ \t]+:", b":", result).startswith(re.sub(rb"(?m)[ \t]+:", b":", header))
    assert all(b":" in field for field in split_fields(result))
    assert not any(has_space_before_colon(field) for field in split_fields(result))
