"""The token that proves control of a host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.protocol.control import (
    RANDOM_OCTETS,
    control_name,
    control_text,
    hello_line,
    is_control_token,
    make_control_token,
    zone_line,
)
from countersign.protocol.events import Hello
from countersign.protocol.reply import Reply
from countersign.protocol.server import ServerDialogue
from countersign.protocol.server_settings import ServerSettings

TOKEN = "a2b3c4d5e6f7ghijklmnopqrstuvwxyz"


@given(st.binary(min_size=RANDOM_OCTETS, max_size=RANDOM_OCTETS))
def test_every_token_has_the_form_of_one(octets: bytes) -> None:
    assert is_control_token(make_control_token(octets))


@given(st.binary(min_size=RANDOM_OCTETS, max_size=RANDOM_OCTETS), st.integers(0, 159))
def test_each_bit_of_the_random_octets_is_in_the_token(octets: bytes, bit: int) -> None:
    other = (int.from_bytes(octets, "big") ^ (1 << bit)).to_bytes(RANDOM_OCTETS, "big")
    assert make_control_token(octets) != make_control_token(other)


def test_too_few_random_octets_make_no_token() -> None:
    with pytest.raises(ValueError, match="20"):
        make_control_token(b"short")


@given(st.text(max_size=40))
def test_no_other_text_is_a_token(text: str) -> None:
    assert is_control_token(text) == (
        len(text) == 32 and all(one in "abcdefghijklmnopqrstuvwxyz234567" for one in text)
    )


def test_the_record_reads_as_a_line_of_a_zone_file() -> None:
    assert control_name("mail.alpha.example") == "_countersign.mail.alpha.example"
    line = zone_line("mail.alpha.example", TOKEN)
    assert line == (f'_countersign.mail.alpha.example. 300 IN TXT "countersign-control={TOKEN}"')
    assert control_text(TOKEN) in line


def test_the_core_lists_the_token_inside_tls_only() -> None:
    dialogue = ServerDialogue(
        ServerSettings(start_tls=True, verification=True, control_token=TOKEN)
    )
    assert list(dialogue.extensions) == ["STARTTLS"]
    dialogue.receive(b"EHLO client.example\r\n")
    assert isinstance(dialogue.next_event(), Hello)
    dialogue.respond_to_hello(Reply(250, ("here",)), parameters=frozenset())
    dialogue.receive(b"STARTTLS\r\n")
    dialogue.next_event()
    dialogue.respond(Reply(220, ("Go ahead",)))
    dialogue.tls_started()
    assert list(dialogue.extensions) == ["XSESSIONID", "XVERIFY", hello_line(TOKEN)]
