"""Dovecot's authentication protocol, the client's side."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.protocol.dovecot_auth import (
    MAX_LINE,
    MAX_RESPONSE,
    AuthClient,
    Continued,
    DovecotProtocolError,
    Failed,
    Passed,
    Ready,
)

HELLO = (
    b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tAPOP\tprivate\nMECH\tSCRAM-SHA-256\n"
    b"SPID\t12\nCUID\t3\nCOOKIE\tabc\nDONE\n"
)
ADDRESS = "192.0.2.1"


@pytest.fixture
def client() -> AuthClient:
    made = AuthClient(77)
    assert made.feed(HELLO) == [Ready(("PLAIN", "SCRAM-SHA-256"))]
    return made


def test_the_client_introduces_itself() -> None:
    assert AuthClient(77).hello() == b"VERSION\t1\t1\nCPID\t77\n"


@given(st.lists(st.integers(1, 30), max_size=20))
def test_an_introduction_in_any_pieces_is_understood(sizes: list[int]) -> None:
    client, rest, events = AuthClient(1), HELLO, []
    for size in sizes:
        events += client.feed(rest[:size])
        rest = rest[size:]
    events += client.feed(rest)
    assert events == [Ready(("PLAIN", "SCRAM-SHA-256"))]


def test_an_exchange_is_begun_with_the_response_last(client: AuthClient) -> None:
    number, line = client.begin("PLAIN", ADDRESS, b"\0a\0b")
    assert number == 1
    assert line == (
        b"AUTH\t1\tPLAIN\tservice=smtp\tsecured\tnologin\tno-penalty\trip=192.0.2.1\tresp=AGEAYg==\n"
    )
    assert client.begin("PLAIN", ADDRESS, None)[1].endswith(b"rip=192.0.2.1\n")
    assert client.begin("PLAIN", ADDRESS, b"")[1].endswith(b"\tresp=\n")
    assert b"rip" not in client.begin("PLAIN", "", b"")[1]


def test_an_exchange_goes_on_and_ends(client: AuthClient) -> None:
    number, _ = client.begin("SCRAM-SHA-256", ADDRESS, b"n,,n=anna,r=x")
    assert client.feed(b"CONT\t1\tcj14\n") == [Continued(number, b"r=x")]
    assert client.go_on(number, b"c=") == b"CONT\t1\tYz0=\n"
    assert client.feed(b"OK\t1\tuser=anna\tresp=dj14\n") == [Passed(number, "anna", b"v=x")]
    assert client.feed(b"OK\t1\tuser=anna\n") == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"FAIL\t1\tuser=anna\n", ""),
        (b"FAIL\t1\tuser=anna\ttemp\n", "temp_fail"),
        (b"FAIL\t1\tuser=anna\tcode=temp_fail\n", "temp_fail"),
        (b"FAIL\t1\tuser=anna\tuser_disabled\n", "user_disabled"),
        (b"FAIL\t1\tuser=anna\tauthz\n", "authz_fail"),
        (b"FAIL\t1\treason=code=temp_fail\tuser=anna\n", ""),
    ],
)
def test_a_failure_tells_whether_the_server_knew(
    client: AuthClient, line: bytes, code: str
) -> None:
    client.begin("PLAIN", ADDRESS, b"x")
    (event,) = client.feed(line)
    assert event == Failed(1, "anna", code)
    assert isinstance(event, Failed)
    assert event.is_temporary == (code == "temp_fail")


def test_escaped_characters_are_read(client: AuthClient) -> None:
    client.begin("PLAIN", ADDRESS, b"x")
    assert client.feed(b"OK\t1\tuser=a\x01tb\x011c\x01xd\n") == [Passed(1, "a\tb\x01cxd", b"")]


def test_what_is_said_of_a_cancelled_exchange_is_passed_over(client: AuthClient) -> None:
    number, _ = client.begin("PLAIN", ADDRESS, b"x")
    assert client.cancel(number) == b"CANCEL\t1\n"
    assert client.cancel(number) == b""
    assert client.feed(b"FAIL\t1\tuser=anna\n") == []


@pytest.mark.parametrize(
    "octets",
    [
        b"VERSION\t2\t0\n",
        b"MECH\tPLAIN\nDONE\n",
        b"VERSION\t1\t1\nDONE\nOK\tx\tuser=anna\n",
        b"VERSION\t1\t1\nDONE\nFAIL\n",
        b"\xff\n",
        b"x" * (MAX_LINE + 1),
        b"VERSION\t1\t1\n" + b"MECH\tX\n" * 65,
    ],
)
def test_another_protocol_is_noticed(octets: bytes) -> None:
    with pytest.raises(DovecotProtocolError):
        AuthClient(1).feed(octets)


@pytest.mark.parametrize("line", [b"OK\t1\n", b"CONT\t1\t%%\n", b"OK\t1\tuser=a\tresp=%\n"])
def test_an_answer_that_makes_no_sense_is_noticed(client: AuthClient, line: bytes) -> None:
    client.begin("PLAIN", ADDRESS, b"x")
    with pytest.raises(DovecotProtocolError):
        client.feed(line)


def test_nothing_can_be_smuggled_into_a_line(client: AuthClient) -> None:
    with pytest.raises(ValueError, match="tabs"):
        client.begin("PLAIN", "192.0.2.1\tresp=AGEAYg==", b"x")
    with pytest.raises(ValueError, match="octets"):
        client.begin("PLAIN", ADDRESS, b"x" * (MAX_RESPONSE + 1))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_response_is_one_word_whatever_is_in_it(first: bytes, then: bytes) -> None:
    client = AuthClient(1)
    client.feed(HELLO)
    number, line = client.begin("PLAIN", ADDRESS, first)
    assert line.count(b"\n") == 1
    assert base64.b64decode(line.rpartition(b"resp=")[2]) == first
    assert base64.b64decode(client.go_on(number, then).split(b"\t")[2]) == then


@given(st.lists(st.binary(max_size=300)), st.booleans())
def test_no_octets_make_the_client_fail_in_another_way(
    pieces: list[bytes], is_introduced: bool
) -> None:
    client = AuthClient(1)
    if is_introduced:
        client.feed(HELLO)
    client.begin("PLAIN", ADDRESS, b"x")
    with contextlib.suppress(DovecotProtocolError):
        for piece in pieces:
            client.feed(piece)


@given(
    st.sampled_from([b"OK", b"CONT", b"FAIL", b"MECH", b"DONE"]),
    st.lists(st.binary(max_size=20).filter(lambda word: b"\n" not in word), max_size=5),
)
def test_no_answer_makes_the_client_fail_in_another_way(command: bytes, words: list[bytes]) -> None:
    client = AuthClient(1)
    client.feed(HELLO)
    client.begin("PLAIN", ADDRESS, b"x")
    with contextlib.suppress(DovecotProtocolError):
        client.feed(b"\t".join([command, b"1", *words]) + b"\n")
