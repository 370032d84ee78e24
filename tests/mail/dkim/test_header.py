"""Header fields in relaxed form, and which of them are signed."""

from __future__ import annotations

import re

from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from countersign.mail.dkim.header import OVER_SIGNED, SIGNED, choose, relaxed_field

names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1
).map(str.encode)
words = st.lists(
    st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b":", b"a", b"\xc3\xa4"])
    | st.binary(max_size=4).filter(lambda octets: not re.search(rb"[\r\n\v\f]", octets)),
    max_size=30,
).map(b"".join)


@given(names, st.sampled_from([b"", b" ", b"\t "]), words)
def test_fields_become_what_another_implementation_makes_of_them(
    name: bytes, space: bytes, value: bytes
) -> None:
    [(their_name, their_value)] = Relaxed.canonicalize_headers([(name + space, value + b"\r\n")])
    assert relaxed_field(name + space + b":" + value + b"\r\n") == their_name + b":" + their_value


@given(st.lists(st.tuples(st.sampled_from([*OVER_SIGNED, *SIGNED, "received"]), words)))
def test_every_field_that_counts_is_signed_once_and_none_can_be_added(
    content: list[tuple[str, bytes]],
) -> None:
    fields = [name.title().encode() + b": " + value + b"\r\n" for name, value in content]
    names, chosen = choose(fields)
    counted = [name for name, _ in content]
    for name in OVER_SIGNED:
        assert names.count(name) == counted.count(name) + 1
    for name in SIGNED:
        assert names.count(name) == counted.count(name)
    assert "received" not in names
    expected = [field for field in fields if not field.startswith(b"Received:")]
    assert sorted(chosen) == sorted(expected)


def test_of_equal_names_the_lowest_field_is_signed_first() -> None:
    fields = [b"Subject: one\r\n", b"From: a\r\n", b"subject : two\r\n"]
    names, chosen = choose(fields)
    assert chosen == [b"From: a\r\n", b"subject : two\r\n", b"Subject: one\r\n"]
    assert [name for name in names if name == "subject"] == ["subject"] * 3


def test_what_is_no_field_is_not_signed() -> None:
    assert choose([b"From\r\n", b"no field at all\r\n"])[1] == []
