"""What clients say in SASL mechanisms."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramClient

from countersign.protocol.sasl import (
    MAX_PASSWORD,
    SaslSyntaxError,
    parse_plain,
    plain_response,
    scram_name,
)

names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=60)


@given(names, names)
def test_a_message_of_plain_is_read_as_it_was_made(user: str, password: str) -> None:
    said = parse_plain(plain_response(user, password))
    assert (said.authorisation, said.user, said.password) == ("", user, password)


@given(st.binary(max_size=3000))
def test_no_octets_make_the_readers_fail_in_another_way(octets: bytes) -> None:
    for read in (parse_plain, scram_name):
        with contextlib.suppress(SaslSyntaxError):
            read(octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"anna",
        b"\0anna",
        b"\0anna\0",
        b"\0\0secret",
        b"\0anna\0secret\0more",
        b"\0anna\0\xff",
        b"\0anna\0" + b"x" * (MAX_PASSWORD + 1),
        b"\0" + b"x" * 1025 + b"\0secret",
    ],
)
def test_what_plain_does_not_allow_is_refused(octets: bytes) -> None:
    with pytest.raises(SaslSyntaxError):
        parse_plain(octets)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(parse_plain(b"\0anna\0secret"))


@pytest.mark.parametrize("user", ["anna", "a,b=c", "anna@local.example", "=2C"])
def test_the_name_in_scram_is_the_one_that_a_client_meant(user: str) -> None:
    first = ScramClient(["SCRAM-SHA-256"], user, "secret").get_client_first()
    assert scram_name(first.encode()) == user


def test_a_message_of_scram_is_bounded() -> None:
    with pytest.raises(SaslSyntaxError, match="2048"):
        scram_name(b"n,,n=anna,r=" + b"x" * 2048)
