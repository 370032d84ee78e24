"""Trace fields: added, forged ones removed, the rest of the message untouched."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.mail.trace import (
    HeaderRewriter,
    HeaderTooBigError,
    split_fields,
    without_forged_results,
)

US = "mx.example.org"


@pytest.mark.parametrize(
    "forged",
    [
        b"Authentication-Results: mx.example.org; dkim=pass\r\n",
        b"authentication-results : MX.example.org 1;\r\n\tspf=pass\r\n",
        b"Authentication-Results: (a (nested) comment) mx.example.org; x=y\r\n",
        b'Authentication-Results:\r\n "mx.example.org" ; none\r\n',
        b"AUTHENTICATION-RESULTS: mx.example.org.; none\r\n",
        b"Authentication-Results: (a \\) ( comment)) mx.example.org; x=y\r\n",
        b"Authentication-Results: (not closed mx.example.org; x=y\r\n",
        b"Authentication-Results: not opened) mx.example.org; x=y\r\n",
        b'Authentication-Results: "mx.example.org; x=y\r\n',
        b'Authentication-Results: "mx\\.example.org"; x=y\r\n',
        b'Authentication-Results: "(" mx.example.org; x=")"\r\n',
        b"Authentication-Results:" + b"\r\n (()" * 500 + b" mx.example.org; x=y\r\n",
    ],
)
def test_forged_results_are_removed_and_others_stay(forged: bytes) -> None:
    others = (
        b"Authentication-Results: other.example; dkim=pass\r\n"
        b"Authentication-Results: other.example (of (mx.example.org)); dkim=pass\r\n"
        b'Authentication-Results: "other.example" 1 ; dkim=pass (ok) header.d=mx.example.org\r\n'
        b"Authentication-Results: (not closed other.example; dkim=pass\r\n"
        b"Subject: Authentication-Results: mx.example.org; dkim=pass\r\n"
    )
    assert without_forged_results(b"A: b\r\n" + forged + others, US) == b"A: b\r\n" + others


pieces = st.sampled_from(["(", ")", '"', "\\", ";", " ", US, "x", "1", "\r\n "])


@given(st.lists(pieces, max_size=12).map("".join))
def test_what_a_reader_takes_for_ours_is_removed_however_it_is_written(value: str) -> None:
    field = f"Authentication-Results: {value}; x=y\r\n".encode()
    if _first_word_without_comments(field) == US:
        assert without_forged_results(field, US) == b""


def _first_word_without_comments(field: bytes) -> str:
    text, before = field.decode().partition(":")[2].replace("\r\n", ""), ""
    while text != before:
        before, text = text, re.sub(r"\((?:[^()\\]|\\.)*\)", " ", text)
    words = text.partition(";")[0].split()
    return words[0] if words else ""


@given(st.lists(st.sampled_from([b"A: b\r\n", b" c\r\n", b"\td\n", b"e\r", b"\r\n", b" "])))
def test_fields_are_lines_with_those_after_them_that_begin_with_space(parts: list[bytes]) -> None:
    header = b"".join(parts)
    fields = split_fields(header)
    assert b"".join(fields) == header
    lines = header.splitlines(keepends=True)
    assert len(fields) == sum(
        not place or line[:1] not in (b" ", b"\t") for place, line in enumerate(lines)
    )


lines = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20).map(str.encode)
)


@given(lines, lines, st.data())
def test_the_message_passes_untouched_however_it_is_cut(
    header: list[bytes], body: list[bytes], data: st.DataObject
) -> None:
    head = b"".join(b"X:" + line + b"\r\n" for line in header)
    message = head + b"\r\n" + b"".join(line + b"\r\n" for line in body)
    rewriter = HeaderRewriter(b"Added: 1\r\n", US, max_header=100_000)
    output, rest = b"", message
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        output += rewriter.feed(rest[:size])
        rest = rest[size:]
    assert output + rewriter.finish() == b"Added: 1\r\n" + message


def test_a_message_without_a_body_and_an_endless_header() -> None:
    rewriter = HeaderRewriter(b"Added: 1\r\n", US, max_header=100)
    assert rewriter.feed(b"A: b\r\n") == b""
    assert rewriter.finish() == b"Added: 1\r\nA: b\r\n"
    rewriter = HeaderRewriter(b"", US, max_header=100)
    with pytest.raises(HeaderTooBigError):
        for _ in range(50):
            rewriter.feed(b"A: b\r\n")
