"""The test message: what it says, and that it is well formed."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.certification.message import Letter

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
visible = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.:/ ", min_size=1, max_size=300)


def letter(**changes: str) -> Letter:
    values = {
        "sender": "b-abcdefghijklmnop-qrstuvwxyz234567@example.net",
        "number": "qrstuvwxyz234567",
        "hello": "probe.example",
        "about": "https://registrar.example/about/tests",
        "host": "mail.local.example",
        "test": "relay-from-null: Relay from the empty sender",
    }
    return Letter(**(values | changes))


def test_it_says_who_sends_it_and_why() -> None:
    message = message_from_bytes(letter().octets(AT), policy=default)
    assert message["Date"].datetime == AT
    assert message["From"] == "b-abcdefghijklmnop-qrstuvwxyz234567@example.net"
    assert message["Message-ID"] == "<qrstuvwxyz234567@probe.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert not message.defects
    text = message.get_content()
    for expected in (
        "https://registrar.example/about/tests",
        "mail.local.example",
        "relay-from-null: Relay from the empty sender",
    ):
        assert expected in text


def test_it_names_no_recipient() -> None:
    assert b"r-abcdefghijklmnop" not in letter().octets(AT)


@given(visible, visible)
def test_its_lines_end_with_crlf_and_are_not_too_long(about: str, test: str) -> None:
    octets = letter(about=about, test=test).octets(AT)
    assert octets.isascii()
    lines = octets.split(b"\r\n")
    assert lines[-1] == b""
    assert not any({b"\r", b"\n", b"\0"} & {bytes([octet]) for octet in line} for line in lines)
    assert max(map(len, lines)) <= 998
    assert len(octets) < 5000


@pytest.mark.parametrize("name", ["sender", "number", "hello", "host"])
def test_a_line_ending_makes_no_further_header(name: str) -> None:
    with pytest.raises(ValueError):
        letter(**{name: "x\r\nBcc: victim@example.org"}).octets(AT)
