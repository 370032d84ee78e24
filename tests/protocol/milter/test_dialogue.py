"""The filter's side of the milter protocol: agreements, order, bounds, what it sends."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.protocol.milter.answers import Verdict
from countersign.protocol.milter.codes import Stage
from countersign.protocol.milter.events import (
    Aborted,
    BodyPiece,
    Connected,
    Ended,
    EndOfMessage,
    HeaderField,
    Hello,
    MailFrom,
    RcptTo,
)
from countersign.protocol.milter.packets import MAX_PACKET, MilterSyntaxError
from countersign.protocol.milter.server import MilterDialogue
from countersign.protocol.reply import reply
from tests.protocol.milter.mta import (
    ABORT,
    ALL_STEPS,
    DATA,
    END,
    END_OF_HEADER,
    HELO,
    LEADING_SPACE,
    MAIL,
    QUIT,
    QUIT_NEW,
    RCPT,
    Filter,
    connect,
    header,
    macros,
    offer,
    packet,
)


def ready(steps: int = ALL_STEPS) -> Filter:
    one = Filter()
    one.feed(offer(steps=steps), connect(), HELO)
    return one


def at_end(steps: int = ALL_STEPS) -> Filter:
    one = ready(steps)
    for command in (MAIL, RCPT, DATA):
        one.feed(command)
        one.dialogue.respond(Verdict.CONTINUE)
    one.feed(header(b"From", b" a"), END_OF_HEADER, packet("B", b"x\r\n"), END)
    one.dialogue.octets_to_send()
    return one


@pytest.mark.parametrize(("offered", "agreed"), [(2, 2), (3, 3), (6, 6), (7, 6)])
def test_the_lower_version_holds(offered: int, agreed: int) -> None:
    [(letter, data)] = Filter().feed(offer(version=offered))
    assert letter == "O"
    assert struct.unpack("!I", data[:4]) == (agreed,)


def test_nothing_is_taken_up_that_was_not_offered() -> None:
    [(_, data)] = Filter(MilterDialogue({Stage.MAIL: ("i",)})).feed(offer(actions=0x3F, steps=0x7F))
    assert struct.unpack("!III", data) == (6, 0x11, 0)


def test_macros_are_asked_for_by_stage_where_that_is_offered() -> None:
    symbols = {Stage.MAIL: ("i", "{auth_authen}"), Stage.END_OF_MESSAGE: ("i",)}
    [(_, data)] = Filter(MilterDialogue(symbols)).feed(offer())
    assert data[12:] == b"\0\0\0\x02i {auth_authen}\0\0\0\0\x05i\0"


@pytest.mark.parametrize("actions", [0, 0x01, 0x10])
def test_an_mta_that_lets_nobody_change_header_fields_is_left(actions: int) -> None:
    with pytest.raises(MilterSyntaxError, match="header fields"):
        Filter().feed(offer(actions=actions))


def test_version_1_is_left() -> None:
    with pytest.raises(MilterSyntaxError, match="version 1"):
        Filter().feed(offer(version=1))


def test_commands_that_say_nothing_to_us_are_answered_where_the_mta_waits() -> None:
    assert Filter().feed(offer(steps=0), connect(), HELO)[1:] == [("c", b"")] * 2
    assert Filter().feed(offer(), connect(), HELO, packet("U", b"XYZ\0"))[1:] == []


def test_a_message_gives_its_events_in_order() -> None:
    one = at_end()
    assert one.events == [
        Connected("client.example", "192.0.2.1"),
        Hello(b"client.example"),
        MailFrom(b"<a@b.example>", (b"SIZE=100",)),
        RcptTo(b"<c@d.example>", ()),
        *one.events[4:5],
        HeaderField(b"From", b"From: a\r\n"),
        *one.events[6:7],
        BodyPiece(b"x\r\n"),
        EndOfMessage(b""),
    ]
    one.dialogue.respond(Verdict.ACCEPT)
    assert one.feed(MAIL) == [("a", b"")], "the next message follows"


def test_the_space_after_the_colon_is_there_whether_the_mta_keeps_it_or_not() -> None:
    for steps, value in ((ALL_STEPS, b" a\n\tb"), (ALL_STEPS & ~LEADING_SPACE, b"a\n\tb")):
        one = ready(steps)
        for command in (MAIL, RCPT):
            one.feed(command)
            one.dialogue.respond(Verdict.CONTINUE)
        one.feed(header(b"To", value))
        assert one.events[-1] == HeaderField(b"To", b"To: a\r\n\tb\r\n")


def test_a_field_that_is_inserted_ends_up_with_one_space_and_folded_by_lf() -> None:
    for steps, value in ((ALL_STEPS, b" 1\n\t2"), (ALL_STEPS & ~LEADING_SPACE, b"1\n\t2")):
        one = at_end(steps)
        one.dialogue.insert_field(0, b"X-Field: 1\r\n\t2\r\n")
        one.dialogue.add_field(b"X-Field: 1\r\n\t2\r\n")
        one.dialogue.remove_field(b"X-Old", 2)
        one.dialogue.progress()
        one.dialogue.respond(Verdict.CONTINUE)
        assert one.feed() == [
            ("i", b"\0\0\0\0X-Field\0" + value + b"\0"),
            ("h", b"X-Field\0" + value + b"\0"),
            ("m", b"\0\0\0\x02X-Old\0\0"),
            ("p", b""),
            ("c", b""),
        ]


@pytest.mark.parametrize(
    "field",
    [b"X: a\r\nY: b\r\n", b"X: a\nb\r\n", b"X: a\rb\r\n", b"X: a\0b\r\n", b": a\r\n", b"X\r\n"],
)
def test_nothing_but_one_field_can_be_inserted(field: bytes) -> None:
    one = at_end()
    with pytest.raises(ValueError, match="not one header field"):
        one.dialogue.insert_field(0, field)


def test_a_message_cannot_be_changed_before_its_end() -> None:
    one = ready()
    one.feed(MAIL)
    with pytest.raises(AssertionError, match="at its end only"):
        one.dialogue.insert_field(0, b"X: y\r\n")


def test_a_reply_reaches_the_client_in_its_own_words() -> None:
    one = ready()
    one.feed(MAIL)
    one.dialogue.respond(reply(550, "5.7.1", "100% no", "see h\xe4\r\n250 ok"))
    assert one.feed() == [("y", b"550-5.7.1 100%% no\r\n550 5.7.1 see h???250 ok\0")]
    assert not one.dialogue.in_message
    one.feed(MAIL)
    with pytest.raises(ValueError, match="4yz or 5yz"):
        one.dialogue.respond(reply(250, "2.0.0", "fine"))


def test_macros_go_for_the_command_that_follows_and_no_other() -> None:
    one = Filter()
    one.feed(offer(), macros("C", j="mta"), connect(), macros("H", tls_version="TLSv1.3"), HELO)
    one.feed(macros("M", auth_authen="mallory"), MAIL)
    assert one.dialogue.macro("auth_authen") == "mallory"
    assert one.dialogue.macro("tls_version") == "TLSv1.3"
    assert one.dialogue.macro("nonsense") == ""
    one.dialogue.respond(Verdict.CONTINUE)
    one.feed(MAIL)
    assert one.dialogue.macro("auth_authen") == "", "the next MAIL comes without"
    assert one.dialogue.macro("j") == "mta"


@pytest.mark.parametrize("ending", [ABORT, HELO, QUIT_NEW])
def test_what_was_said_of_a_message_ends_with_it(ending: bytes) -> None:
    one = ready()
    one.feed(macros("M", auth_authen="alice"), MAIL)
    one.dialogue.respond(Verdict.CONTINUE)
    one.feed(ending)
    assert one.dialogue.macro("auth_authen") == ""
    assert not one.dialogue.in_message


def test_a_connection_serves_one_client_after_another() -> None:
    one = ready()
    one.feed(QUIT_NEW, connect("2001:db8::1".join(("", ""))))
    assert one.events[-2] == Ended(is_last=False)
    one.feed(QUIT)
    assert one.dialogue.closed
    assert one.events[-1] == Ended(is_last=True)


def test_an_abort_outside_a_message_says_nothing() -> None:
    one = ready()
    before = list(one.events)
    one.feed(ABORT)
    assert one.events == before
    one.feed(MAIL)
    one.dialogue.respond(Verdict.CONTINUE)
    one.feed(ABORT)
    assert one.events[-1] == Aborted()


@pytest.mark.parametrize(
    ("family", "rest", "address"),
    [
        (b"4", b"\x00\x19192.0.2.1\0", "192.0.2.1"),
        (b"6", b"\x00\x19IPv6:2001:DB8::1\0", "2001:db8::1"),
        (b"6", b"\x00\x192001:db8::1\0", "2001:db8::1"),
        (b"L", b"\x00\x00/run/socket\0", ""),
        (b"U", b"", ""),
    ],
)
def test_the_client_is_known_by_its_address(family: bytes, rest: bytes, address: str) -> None:
    one = Filter()
    one.feed(offer(), packet("C", b"x\0" + family + rest))
    assert one.events == [Connected("x", address)]


@pytest.mark.parametrize(
    "packets",
    [
        [connect()],
        [MAIL],
        [offer(), offer()],
        [offer(), HELO],
        [offer(), MAIL],
        [offer(), connect(), connect()],
        [offer(), connect(), RCPT],
        [offer(), connect(), END],
        [offer(), connect(), header(b"a", b"b")],
        [offer(), connect(), packet("B", b"x")],
        [offer(), packet("C", b"x")],
        [offer(), packet("C", b"x\0Z")],
        [offer(), packet("C", b"x\x004\0\x19not an address\0")],
        [offer(), packet("C", b"x\x004\0\x19192.0.2.1")],
        [offer(), connect(), packet("H", b"no end")],
        [offer(), connect(), packet("M")],
        [offer(), packet("D")],
        [offer(), packet("D", b"?")],
        [offer(), packet("D", b"Mname\0")],
        [offer(), packet("D", b"Mname")],
        [offer(), packet("D", b"M" + b"a\0b\0" * 201)],
        [packet("O", b"\0\0\0\x06\0\0")],
        [packet("Z")],
        [b"\0\0\0\0"],
        [b"\xff\xff\xff\xff"],
        [(MAX_PACKET + 1).to_bytes(4)],
    ],
)
def test_what_is_out_of_order_or_malformed_is_an_error(packets: list[bytes]) -> None:
    with pytest.raises(MilterSyntaxError):
        Filter().feed(*packets)


@pytest.mark.parametrize("late", [RCPT, DATA, header(b"a", b" b"), END_OF_HEADER])
def test_a_message_only_goes_on(late: bytes) -> None:
    one = ready()
    for command in (MAIL, RCPT, DATA):
        one.feed(command)
        one.dialogue.respond(Verdict.CONTINUE)
    with pytest.raises(MilterSyntaxError, match="out of order"):
        one.feed(END_OF_HEADER, late)


def test_header_fields_with_impossible_names_are_errors() -> None:
    for name in (b"", b"a:b", b"a\nb"):
        one = ready()
        for command in (MAIL, RCPT):
            one.feed(command)
            one.dialogue.respond(Verdict.CONTINUE)
        with pytest.raises(MilterSyntaxError):
            one.feed(header(name, b" x"))


_LETTERS = st.sampled_from(list("ODCHMRTLNBEAUQKZ"))
_PACKETS = st.lists(
    st.one_of(
        st.sampled_from(
            [offer(), connect(), HELO, MAIL, RCPT, DATA, END_OF_HEADER, END, ABORT, QUIT_NEW]
        ),
        st.builds(packet, _LETTERS, st.binary(max_size=40)),
        st.binary(max_size=12),
    ),
    max_size=25,
)


@given(packets=_PACKETS, cuts=st.lists(st.integers(1, 50), max_size=60), verdict=st.booleans())
def test_any_octets_in_any_pieces_are_events_or_a_syntax_error(
    packets: list[bytes], cuts: list[int], verdict: bool
) -> None:
    octets = b"".join(packets)
    one = Filter()
    try:
        for cut in [*cuts, len(octets)]:
            one.feed(octets[:cut])
            octets = octets[cut:]
            while one.dialogue.is_waiting:
                one.dialogue.respond(Verdict.CONTINUE if verdict else reply(450, "", "later"))
                one.feed()
    except MilterSyntaxError:
        return
