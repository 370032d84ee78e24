"""AUTH in the server core: sequences, limits, and that nothing but a 235 lets mail pass."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from countersign.protocol.authentication import MAX_LINE, MAX_RESPONSES, Authentication
from countersign.protocol.command import CommandRefusedError, CommandSyntaxError
from countersign.protocol.events import (
    AuthBegun,
    AuthContinued,
    AuthInClear,
    Event,
    Hello,
    MailFrom,
    StartTls,
)
from countersign.protocol.reply import reply
from countersign.protocol.server import ServerDialogue
from countersign.protocol.server_settings import ServerSettings

RIGHT = b"\0user\0secret"
MECHANISMS = ("SCRAM-SHA-256", "PLAIN")
SIGNED_IN = reply(235, "2.7.0", "Signed in")
WRONG = reply(535, "5.7.8", "Wrong")


def encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def test_who_does_not_sign_in_has_few_commands_and_who_does_has_many() -> None:
    users = Users(max_commands_before_sign_in=6, start_tls=False)
    users.dialogue.in_tls = True
    assert users.feed(b"EHLO x\r\n" + b"NOOP\r\n" * 5).count(b"250 2.0.0") == 5
    right = f"AUTH PLAIN {encoded(RIGHT)}\r\n".encode()
    assert users.feed(right) == b"421 4.7.0 Too many commands\r\n"
    assert users.dialogue.closed
    users = Users(max_commands_before_sign_in=6, start_tls=False)
    users.dialogue.in_tls = True
    assert b"235" in users.feed(b"EHLO x\r\n" + right)
    assert users.feed(b"NOOP\r\n" * 20).count(b"250 ") == 20


class Users:
    """An application that takes one password, and asks for it where it was not given."""

    def __init__(self, **changes: object) -> None:
        values = {"start_tls": True, "mechanisms": MECHANISMS, "requires_sign_in": True, **changes}
        self.dialogue = ServerDialogue(ServerSettings(**values))  # type: ignore[arg-type]
        self.events: list[Event] = []

    def feed(self, octets: bytes) -> bytes:
        self.dialogue.receive(octets)
        while (event := self.dialogue.next_event()) is not None:
            self.events.append(event)
            self.answer(event)
        return self.dialogue.octets_to_send()

    def answer(self, event: Event) -> None:
        match event:
            case Hello():
                lines = ("us.example", *self.dialogue.extensions)
                self.dialogue.respond_to_hello(reply(250, "", *lines), parameters=frozenset())
            case StartTls():
                self.dialogue.respond(reply(220, "2.0.0", "go"))
                self.dialogue.tls_started()
            case AuthInClear():
                self.dialogue.respond(reply(538, "5.7.11", "TLS first"))
            case AuthBegun(_, None):
                self.dialogue.respond_with_challenge(b"")
            case AuthBegun(_, response) | AuthContinued(response):
                self.judge(response)
            case _:
                self.dialogue.respond(reply(250, "2.0.0", "Ok"))

    def judge(self, response: bytes | None) -> None:
        if response == b"more":
            self.dialogue.respond_with_challenge(b"\xff\0challenge")
        else:
            self.dialogue.respond(SIGNED_IN if response == RIGHT else WRONG)

    def codes(self, *lines: str) -> list[int]:
        output = self.feed("".join(f"{line}\r\n" for line in lines).encode())
        return [int(line[:3]) for line in output.split(b"\r\n") if line[3:4] == b" "]


def in_tls(**changes: object) -> Users:
    users = Users(**changes)
    assert users.codes("EHLO c.example", "STARTTLS", "EHLO c.example") == [250, 220, 250][:2]
    assert users.codes("EHLO c.example") == [250]
    return users


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["MAIL FROM:<a@b.example>"], [530]),
        ([f"AUTH PLAIN {encoded(RIGHT)}", "MAIL FROM:<a@b.example>"], [235, 250]),
        ([f"auth plain {encoded(RIGHT)}", "mail from:<a@b.example>"], [235, 250]),
        ([f"AUTH PLAIN {encoded(RIGHT)}", "EHLO c.example", "MAIL FROM:<>"], [235, 250, 250]),
        (["AUTH PLAIN", encoded(RIGHT), "MAIL FROM:<>"], [334, 235, 250]),
        (["AUTH PLAIN =", "MAIL FROM:<>"], [535, 530]),
        (["AUTH PLAIN", "", "MAIL FROM:<>"], [334, 535, 530]),
        (["AUTH PLAIN", "*", "MAIL FROM:<>"], [334, 501, 530]),
        (["AUTH PLAIN", "MAIL FROM:<>", "NOOP"], [334, 501, 250]),
        (["AUTH PLAIN", encoded(b"more"), encoded(RIGHT)], [334, 334, 235]),
        (["AUTH PLAIN =====", "AUTH PLAIN a", "AUTH PLAIN a===", "AUTH PLAIN YQ"], [501] * 4),
        (["AUTH PLAIN", "a b=", "AUTH PLAIN", "\u00e4\u00e4"], [334, 501, 334, 501]),
        (["AUTH PLAIN", "="], [334, 501]),
        (["AUTH", "AUTH P/L", "AUTH PLAIN a b", "AUTH LOGIN"], [501, 501, 501, 504]),
        ([f"AUTH PLAIN {encoded(RIGHT)}"] * 2, [235, 503]),
        (
            [f"AUTH PLAIN {encoded(RIGHT)}", "MAIL FROM:<>", f"AUTH PLAIN {encoded(RIGHT)}"],
            [235, 250, 503],
        ),
        ([f"AUTH PLAIN {encoded(RIGHT)}", "MAIL FROM:<> AUTH=<>", "RSET"], [235, 250, 250]),
        ([f"AUTH PLAIN {encoded(RIGHT)}", "STARTTLS", "MAIL FROM:<>"], [235, 503, 250]),
        ([f"AUTH PLAIN {encoded(b'x')}", "MAIL FROM:<>"], [535, 530]),
    ],
)  # fmt: skip
def test_sequences(lines: list[str], codes: list[int]) -> None:
    assert in_tls().codes(*lines) == codes


def test_auth_is_announced_and_taken_inside_tls_only() -> None:
    users = Users()
    assert b"AUTH" not in users.feed(b"EHLO c.example\r\n")
    assert users.codes(f"AUTH PLAIN {encoded(RIGHT)}", "MAIL FROM:<>") == [538, 530]
    assert users.events[-1] == AuthInClear()
    assert not users.dialogue.signed_in
    assert b"AUTH SCRAM-SHA-256 PLAIN\r\n" in in_tls().feed(b"EHLO c.example\r\n")


def test_auth_in_clear_is_reported_before_anything_else_is_said() -> None:
    users = Users()
    assert users.codes("AUTH") == [538]
    assert users.events == [AuthInClear()]


def test_auth_is_unknown_where_no_mechanism_is_set() -> None:
    users = in_tls(mechanisms=(), requires_sign_in=False)
    assert users.codes("AUTH PLAIN", "MAIL FROM:<> AUTH=<>", "MAIL FROM:<>") == [502, 555, 250]


def test_auth_needs_an_ehlo_inside_tls() -> None:
    users = Users()
    assert users.codes("EHLO c.example", "STARTTLS") == [250, 220]
    assert users.codes("AUTH PLAIN") == [503]
    assert users.codes("HELO c.example", "AUTH PLAIN") == [250, 503]


def test_who_a_user_says_wrote_it_is_not_passed_on() -> None:
    users = in_tls()
    users.codes(f"AUTH PLAIN {encoded(RIGHT)}", "MAIL FROM:<a@b.example> AUTH=boss+40b.example")
    event = users.events[-1]
    assert isinstance(event, MailFrom)
    assert event.envelope.parameters == {}


def test_a_line_of_auth_may_be_long_but_not_endless() -> None:
    longest = "A" * ((MAX_LINE - 2) // 4 * 4)
    users = in_tls()
    assert users.codes("AUTH PLAIN", longest) == [334, 535]
    assert users.codes("AUTH PLAIN " + "A" * 12_000) == [535]
    assert users.feed(b"AUTH PLAIN\r\n" + b"A" * (MAX_LINE - 1)).endswith(b"334 \r\n")
    assert users.feed(b"A").startswith(b"500 5.5.6")
    assert users.dialogue.closed
    users = in_tls()
    assert users.feed(b"AUTH PLAIN " + b"A" * MAX_LINE).startswith(b"500 5.5.6")
    assert users.dialogue.closed


def test_an_exchange_does_not_go_on_for_ever() -> None:
    lines = ["AUTH PLAIN"] + [encoded(b"more")] * (MAX_RESPONSES + 1)
    assert in_tls().codes(*lines) == [334] * (MAX_RESPONSES + 1) + [501]


def test_sign_ins_that_fail_are_errors_which_end_the_dialogue() -> None:
    users = in_tls(max_errors=3)
    assert users.codes(*["AUTH PLAIN ="] * 4) == [535, 535, 535, 421]
    assert users.dialogue.closed


@given(st.text(max_size=60), st.binary(max_size=60))
def test_any_argument_and_any_response_is_an_event_or_a_refusal(text: str, line: bytes) -> None:
    authentication = Authentication(MECHANISMS)
    with contextlib.suppress(CommandRefusedError, CommandSyntaxError):
        assert authentication.begin(text).mechanism in MECHANISMS
    try:
        octets = authentication.next_response(line).response
    except CommandRefusedError:
        pass
    else:
        assert base64.b64encode(octets)[: len(line) // 4 * 4 - 4] == line[: len(line) // 4 * 4 - 4]


@given(st.binary(max_size=2000))
def test_responses_arrive_as_they_were_sent(octets: bytes) -> None:
    authentication = Authentication(MECHANISMS)
    begun = authentication.begin(f"plain {encoded(octets) or '='}")
    assert begun == AuthBegun("PLAIN", octets)
    assert authentication.next_response(base64.b64encode(octets)) == AuthContinued(octets)


class SignIn(RuleBasedStateMachine):
    """Any order of commands: mail is taken after a 235 inside TLS, and never before."""

    @initialize()
    def connect(self) -> None:
        self.users = Users(max_errors=1000)
        self.is_in_tls = self.has_hello = self.is_signed_in = self.in_exchange = False
        self.in_mail = False

    def say(self, line: str) -> int:
        [code] = self.users.codes(line)
        return code

    def ends_exchange(self, code: int) -> bool:
        """Whatever is said in an exchange is a response; some commands are even good base64."""
        if not self.in_exchange:
            return False
        assert code in (501, 535)
        self.in_exchange = False
        return True

    @rule()
    def hello(self) -> None:
        code = self.say("EHLO c.example")
        if not self.ends_exchange(code):
            assert code == 250
            self.has_hello, self.in_mail = True, False

    @rule()
    def start_tls(self) -> None:
        code = self.say("STARTTLS")
        if self.ends_exchange(code):
            return
        is_due = self.has_hello and not self.is_in_tls and not self.in_mail
        assert code == (220 if is_due else 503)
        if is_due:
            self.is_in_tls, self.has_hello, self.is_signed_in = True, False, False

    @rule(initial=st.sampled_from([None, b"more", b"wrong", RIGHT]))
    def authenticate(self, initial: bytes | None) -> None:
        before = len(self.users.events)
        code = self.say("AUTH PLAIN" + (f" {encoded(initial)}" if initial is not None else ""))
        if self.ends_exchange(code):
            return
        if not self.is_in_tls:
            assert code == 538
            assert self.users.events[before:] == [AuthInClear()]
        elif not self.has_hello or self.is_signed_in or self.in_mail:
            assert code == 503
        else:
            self.judge(code, initial)

    @rule(response=st.sampled_from([b"", b"more", b"wrong", RIGHT]))
    def respond(self, response: bytes) -> None:
        if self.in_exchange:
            self.judge(self.say(encoded(response)), response)

    @rule()
    def cancel(self) -> None:
        if self.in_exchange:
            assert self.say("*") == 501
            self.in_exchange = False

    def judge(self, code: int, response: bytes | None) -> None:
        assert code == (334 if response in (None, b"more") else 235 if response == RIGHT else 535)
        self.in_exchange = code == 334
        self.is_signed_in = code == 235

    @rule()
    def mail(self) -> None:
        code = self.say("MAIL FROM:<user@c.example>")
        if self.ends_exchange(code):
            return
        if not self.has_hello or self.in_mail:
            assert code == 503
        else:
            assert code == (250 if self.is_signed_in else 530)
            self.in_mail = code == 250

    @rule()
    def reset(self) -> None:
        if not self.ends_exchange(self.say("RSET")):
            self.in_mail = False

    @invariant()
    def signed_in_by_a_235_only(self) -> None:
        if hasattr(self, "users"):
            assert self.users.dialogue.signed_in == self.is_signed_in
            assert self.users.dialogue.in_transaction == self.in_mail


TestSignIn = SignIn.TestCase
TestSignIn.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
