"""The server and client cores: sequences, limits, any octets, and an attacker between."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from countersign.protocol.client import ClientDialogue, ClientSequenceError, Sent
from countersign.protocol.events import (
    Content,
    DataCommand,
    EndOfContent,
    Event,
    Hello,
    Question,
    SessionIdOffered,
    StartTls,
)
from countersign.protocol.reply import Reply, ReplyReader, ReplySyntaxError, reply
from countersign.protocol.server import ServerDialogue
from countersign.protocol.server_settings import ServerSettings
from countersign.protocol.session_id import has_valid_tag, is_session_id, make_session_id

ID = "a" * 128
OK = reply(250, "2.0.0", "Ok")
ALL = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "NOTIFY", "ORCPT"})
REPLY_LINE = re.compile(rb"[2-5]\d\d[ -][\x20-\x7e\x80-\xff]*\Z")


class Application:
    """Answers every event, and remembers them."""

    def __init__(self, **changes: object) -> None:
        self.dialogue = ServerDialogue(
            ServerSettings(**{"start_tls": True, "verification": True, **changes})  # type: ignore[arg-type]
        )
        self.events: list[Event] = []
        self.messages: list[bytes] = []
        self._content = b""

    def feed(self, octets: bytes) -> bytes:
        self.dialogue.receive(octets)
        while (event := self.dialogue.next_event()) is not None:
            self.events.append(event)
            self.answer(event)
        return self.dialogue.octets_to_send()

    def answer(self, event: Event) -> None:
        dialogue = self.dialogue
        match event:
            case Hello():
                dialogue.respond_to_hello(reply(250, "", "us.example"), parameters=ALL)
            case StartTls():
                dialogue.respond(reply(220, "2.0.0", "go"))
                dialogue.tls_started()
            case DataCommand():
                dialogue.respond(reply(354, "", "go on"))
                self._content = b""
            case Content(data):
                self._content += data
            case EndOfContent(fault):
                count = dialogue.recipients if dialogue.settings.lmtp else 1
                dialogue.respond_to_content(
                    [OK if fault is None else reply(550, "5.6.0", "no")] * count
                )
                if fault is None:
                    self.messages.append(self._content)
            case _:
                dialogue.respond(OK)

    def codes(self, *lines: str) -> list[int]:
        output = self.feed("".join(f"{line}\r\n" for line in lines).encode())
        return [int(line[:3]) for line in output.split(b"\r\n") if line[3:4] == b" "]


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["MAIL FROM:<a@b.example>"], [503]),
        (["EHLO c.example", "RCPT TO:<a@b.example>"], [250, 503]),
        (["EHLO c.example", "MAIL FROM:<>", "DATA"], [250, 250, 503]),
        (["EHLO c.example", "MAIL FROM:<>", "MAIL FROM:<>"], [250, 250, 503]),
        (["EHLO", "EHLO a b", "EHLO a_b!c"], [501, 501, 501]),
        (["NONSENSE", "EXPN x", "BDAT 1"], [500, 502, 502]),
        (["VRFY x", "NOOP", "HELP"], [252, 250, 214]),
        (["EHLO c.example", "MAIL FROM:a@b.example", "MAIL FROM:<a@b.example"], [250, 501, 501]),
        (["EHLO c.example", "MAIL FROM:<> SIZE=999999999"], [250, 552]),
        (["EHLO c.example", "MAIL FROM:<> SIZE=x", "MAIL FROM:<> FOO=1"], [250, 501, 555]),
        (["EHLO c.example", "MAIL FROM:<>", "RCPT TO:<>"], [250, 250, 501]),
        (["EHLO c.example", "MAIL FROM:<>", "RCPT TO:<postmaster>"], [250, 250, 250]),
        (["LHLO c.example"], [500]),
        ([f"XSESSIONID {ID}", f"XVERIFY {ID}"], [530, 530]),
        (["STARTTLS"], [503]),
        (["EHLO c.example", "STARTTLS x", "STARTTLS"], [250, 501, 220]),
        (["QUIT", "NOOP"], [250]),
    ],
)  # fmt: skip
def test_sequences(lines: list[str], codes: list[int]) -> None:
    assert Application().codes(*lines) == codes


def in_tls() -> Application:
    application = Application()
    assert application.codes("EHLO c.example", "STARTTLS") == [250, 220]
    return application


def test_the_verification_verbs_inside_tls() -> None:
    application = in_tls()
    assert application.codes(f"XSESSIONID {ID}") == [503]
    assert application.codes("EHLO c.example", "XSESSIONID x", f"XSESSIONID {ID[1:]}-") == [
        250,
        501,
        501,
    ]
    assert application.codes(f"XSESSIONID {ID}", f"XSESSIONID {ID}", f"XVERIFY {ID}") == [
        250,
        503,
        250,
    ]
    assert application.codes("EHLO [192.0.2.1]", f"XSESSIONID {ID}") == [250, 550]
    assert application.codes("EHLO c.example", "MAIL FROM:<>", f"XSESSIONID {ID}") == [
        250,
        250,
        503,
    ]


def test_nothing_said_in_clear_survives_starttls() -> None:
    application = Application()
    application.feed(b"EHLO c.example\r\nSTARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<>\r\n")
    assert application.dialogue.hello is None
    assert not application.dialogue.in_transaction
    assert [type(event) for event in application.events] == [Hello, StartTls]
    client = ClientDialogue()
    client.receive(b"220 x\r\n")
    client.hello("c.example")
    client.receive(b"250-x\r\n250 STARTTLS\r\n")
    client.start_tls()
    client.receive(b"220 go\r\n")
    client._reader.feed(b"250 injec")
    with pytest.raises(ReplySyntaxError):
        client.tls_started()
    with pytest.raises(ReplySyntaxError):
        client.receive(b"ted\r\n")


def test_limits_end_the_dialogue() -> None:
    application = Application(max_errors=3)
    assert application.codes("A", "B", "C", "NOOP") == [500, 500, 500, 421]
    assert application.dialogue.closed
    for octets in (b"x" * 5000, b"NOOP\nNOOP\r\n", b"NOOP\n", b"NO\0OP\r\n", b"NO\rOP\r\n"):
        application = Application()
        assert application.feed(octets).startswith(b"500 5.5.2")
        assert application.dialogue.closed
    application = Application(max_recipients=1)
    lines = ["EHLO c.example", "MAIL FROM:<>", "RCPT TO:<a@b.example>", "RCPT TO:<c@b.example>"]
    assert application.codes(*lines) == [250, 250, 250, 452]


def test_lmtp_answers_each_recipient() -> None:
    application = Application(lmtp=True)
    lines = ["LHLO c.example", "MAIL FROM:<>", "RCPT TO:<a@b.example>", "RCPT TO:<c@b.example>"]
    assert application.codes(*lines, "DATA", "x", ".") == [250, 250, 250, 250, 354, 250, 250]


octets = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [b"EHLO a.example\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<a@b.example>\r\n", b"DATA\r\n",
             b".\r\n", b"\r\n", b"RSET\r\n", b"STARTTLS\r\n", b"XVERIFY " + b"a" * 128 + b"\r\n"]
        ),
    ),
    max_size=20,
)  # fmt: skip


@given(octets, st.data())
def test_any_octets_get_well_formed_replies_however_they_are_cut(
    pieces: list[bytes], data: st.DataObject
) -> None:
    wire = b"".join(pieces)
    whole = Application()
    output = whole.feed(wire)
    for line in output.split(b"\r\n")[:-1]:
        assert REPLY_LINE.match(line), line
    # What comes after STARTTLS in clear is discarded: where it is cut then matters.
    if not any(isinstance(event, StartTls) for event in whole.events):
        cut = data.draw(st.integers(0, len(wire)))
        parts = Application()
        assert parts.feed(wire[:cut]) + parts.feed(wire[cut:]) == output
        assert parts.messages == whole.messages


@given(st.binary(max_size=300))
def test_any_octets_are_replies_or_an_error(raw: bytes) -> None:
    reader = ReplyReader()
    try:
        reader.feed(raw)
        while (found := reader.next_reply()) is not None:
            assert 200 <= found.code < 600
    except ReplySyntaxError:
        pass


@given(
    st.integers(200, 559),
    st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=1, max_size=4),
)
def test_replies_survive_the_wire(code: int, lines: list[str]) -> None:
    lines = [f"x{line}" for line in lines]
    sent = Reply(code, tuple(lines), f"{str(code)[0]}.1.1" if str(code)[0] in "245" else "")
    reader = ReplyReader()
    reader.feed(sent.encode())
    assert reader.next_reply() == sent


@given(st.binary(min_size=32, max_size=64), st.binary(min_size=64, max_size=64))
def test_session_ids(secret: bytes, random_octets: bytes) -> None:
    made = make_session_id(secret, random_octets, 128)
    assert is_session_id(made, 128)
    assert has_valid_tag(secret, made)
    assert not has_valid_tag(secret + b"x", made)
    changed = ("A" if made[0] != "A" else "B") + made[1:]
    assert not has_valid_tag(secret, changed)


class TwoDialogues(RuleBasedStateMachine):
    """A client and a server, and an attacker who writes into the channel while it is in clear."""

    @initialize(lmtp=st.booleans())
    def connect(self, lmtp: bool) -> None:
        self.connect_anew(lmtp)

    def connect_anew(self, lmtp: bool) -> None:
        self.server = Application(lmtp=lmtp)
        self.server.dialogue.greet(reply(220, "", "us.example"))
        self.client = ClientDialogue(lmtp=lmtp)
        self.sent: list[bytes] = []
        self.client.receive(self.server.dialogue.octets_to_send())

    def exchange(self, wire: bytes) -> list[Reply]:
        answers = self.client.receive(self.server.feed(wire))
        return [answer.reply for answer in answers]

    @rule()
    def hello(self) -> None:
        [answer] = self.exchange(self.client.hello("c.example"))
        assert answer.code == 250

    @precondition(lambda self: not self.client.in_tls)
    @rule(
        injected=st.sampled_from([b"", b"EHLO e.example\r\nMAIL FROM:<>\r\n", b"RSET\r\n", b"XVER"])
    )
    def start_tls(self, injected: bytes) -> None:
        self.hello()
        [answer] = self.exchange(self.client.start_tls() + injected)
        assert answer.code == 220
        self.client.tls_started()
        assert self.server.dialogue.in_tls
        assert self.server.dialogue.hello is None
        assert self.server.dialogue.buffered == 0

    @rule(
        lines=st.lists(st.binary(max_size=20).filter(lambda line: not set(line) & {0, 10, 13})),
        recipients=st.integers(1, 3),
        pipelined=st.booleans(),
    )
    def send(self, lines: list[bytes], recipients: int, pipelined: bool) -> None:
        self.hello()
        content = b"".join(line + b"\r\n" for line in lines)
        group = [self.client.mail("<>")]
        group += [self.client.rcpt(f"<u{number}@b.example>") for number in range(recipients)]
        group.append(self.client.data())
        answers = self.exchange(b"".join(group)) if pipelined else [
            answer for octets in group for answer in self.exchange(octets)
        ]  # fmt: skip
        assert [answer.code for answer in answers] == [250] * (recipients + 1) + [354]
        verdicts = self.exchange(self.client.content(content) + self.client.end_of_content())
        assert [answer.code for answer in verdicts] == [250] * (
            recipients if self.client.lmtp else 1
        )
        self.sent.append(content)
        assert self.server.messages == self.sent

    @rule()
    def ask(self) -> None:
        if not self.client.in_tls:
            with pytest.raises(ClientSequenceError):
                self.client.question(ID)
        elif not self.client.lmtp:
            self.hello()
            [answer] = self.exchange(self.client.question(ID))
            assert answer.code == 250

    @precondition(lambda self: not self.client.in_tls)
    @rule(
        octets=st.sampled_from(
            [b"XVERIFY " + b"a" * 128 + b"\r\n", b"NOOP\r\n", b"MAIL FROM:<>\r\n"]
        )
    )
    def inject(self, octets: bytes) -> None:
        """The attacker's commands cause replies that the client did not ask for: it leaves."""
        with pytest.raises(ReplySyntaxError):
            self.exchange(octets)
        self.connect_anew(self.client.lmtp)

    def teardown(self) -> None:
        if hasattr(self, "server"):
            seen_tls = False
            for event in self.server.events:
                seen_tls = seen_tls or isinstance(event, StartTls)
                assert seen_tls or not isinstance(event, SessionIdOffered | Question)


TestTwoDialogues = TwoDialogues.TestCase
TestTwoDialogues.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


def test_a_reply_is_paired_with_its_command_and_421_may_come_unasked() -> None:
    client = ClientDialogue()
    assert [answer.to for answer in client.receive(b"220 x\r\n")] == [Sent.CONNECTION]
    client.hello("c.example")
    answers = client.receive(b"250-x\r\n250-SIZE 5\r\n250 pipelining\r\n421 4.3.2 bye\r\n")
    assert [(answer.to, answer.reply.code) for answer in answers] == [(Sent.HELLO, 250)]
    assert client.extensions == {"SIZE": "5", "PIPELINING": ""}
    assert client.server_left
    with pytest.raises(ReplySyntaxError):
        client.receive(b"250 unasked\r\n")
