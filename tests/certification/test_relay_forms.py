"""Relay forms: how they are filled in, and how their replies are judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.certification.delivery import Delivered
from countersign.certification.form import MAX_COMMAND, LocalParts, Names, fill_in
from countersign.certification.forms import FORMS, PLAIN, forms_for
from countersign.certification.judge_relay import Relayed, judge_relay
from countersign.certification.outcome import Verdict
from countersign.certification.said import Said, Trouble
from countersign.certification.test_address import ALPHABET, Kind, TestAddress, read
from countersign.protocol.reply import Reply

PASSED, UNTESTED = Verdict.PASSED, Verdict.COULD_NOT_TEST
NAMES = Names("mail.t.example", "192.0.2.7", "victim.example", "d.example")
OK = Reply(250, ("Ok",), "2.0.0")
GO_ON = Reply(354, ("Go on",))
NO = Reply(550, ("No",), "5.7.1")
UNKNOWN = Reply(550, ("No such user",), "5.1.1")
LATER = Reply(450, ("Later",), "4.2.0")

labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=63)
domains = st.lists(labels, min_size=1, max_size=4).map(".".join).filter(lambda d: len(d) <= 253)
numbers = st.text(ALPHABET, min_size=16, max_size=16)
names = st.builds(
    Names,
    domains,
    st.ip_addresses().map(str),
    domains,
    st.one_of(st.just(""), domains),
)
replies = st.sampled_from((OK, GO_ON, NO, LATER, Reply(421, ("Bye",)), *Trouble))


def parts_of(mark: str, number: str) -> LocalParts:
    sender = str(TestAddress(Kind.BOUNCED, mark, number))
    return LocalParts(str(TestAddress(Kind.RELAYED, mark, number)), sender, sender)


@given(names, numbers, numbers)
def test_a_form_that_is_tried_makes_commands_of_one_bounded_line(
    names: Names, mark: str, number: str
) -> None:
    forms = forms_for(names)
    assert {form.name for form in FORMS if form.is_essential} <= {form.name for form in forms}
    for form in forms:
        envelope = fill_in(form, names, "<{S}@{V}>", "r" * 26, parts_of(mark, number))
        for command in (envelope.mail, envelope.recipient, envelope.control):
            assert not {"\r", "\n", "{", "}"} & set(command)
            assert len(command.encode()) <= MAX_COMMAND
        assert envelope.mail.startswith("MAIL FROM:")
        assert number in envelope.recipient


@given(st.text(max_size=20), st.sampled_from("\r\n"), st.text(max_size=20), st.integers(0, 4))
def test_a_line_ending_never_comes_into_a_command(
    before: str, ending: str, after: str, place: int
) -> None:
    values = ["mail.t.example", "192.0.2.7", "victim.example", "d.example", "<{S}@{V}>"]
    if place == 4:
        values[4] = f"<{before}{ending}{after}@{{V}}>".replace("{", "").replace("}", "")
    else:
        values[place] = before + ending + after
    form = next(form for form in FORMS if form.name == "route-two")
    literal = next(form for form in FORMS if form.name == "percent-literal")
    with pytest.raises(ValueError, match="line ending"):
        for one in (form, literal):
            fill_in(one, Names(*values[:4]), values[4], "r")


def test_a_recipient_names_its_message_and_so_does_an_ordinary_sender() -> None:
    parts = parts_of("a" * 16, "b" * 16)
    plain = fill_in(PLAIN, NAMES, "", "r", parts)
    assert plain.recipient == f"RCPT TO:<r-{'a' * 16}-{'b' * 16}@victim.example>"
    assert plain.mail == f"MAIL FROM:<b-{'a' * 16}-{'b' * 16}@victim.example>"
    assert read(parts.recipient) == TestAddress(Kind.RELAYED, "a" * 16, "b" * 16)
    without = fill_in(PLAIN, NAMES, "", "r")
    assert without.recipient == "RCPT TO:<relaytest@victim.example>"


def test_forms_of_the_newer_classes_are_there() -> None:
    filled = {form.name: fill_in(form, NAMES, "<s@x>", "r") for form in forms_for(NAMES)}
    assert filled["orcpt"].recipient == (
        "RCPT TO:<postmaster@d.example> ORCPT=rfc822;relaytest@victim.example"
    )
    assert filled["mail-auth"].mail == "MAIL FROM:<s@x> AUTH=<>"
    assert filled["quoted-localhost"].recipient == 'RCPT TO:<"relaytest@victim.example"@localhost>'
    assert filled["percent-literal"].recipient == "RCPT TO:<relaytest%victim.example@[192.0.2.7]>"
    assert filled["plus-domain"].recipient == "RCPT TO:<relaytest+victim.example@d.example>"
    assert filled["after-failed-auth"].recipient == "RCPT TO:<relaytest@victim.example>"


def test_a_form_too_long_for_a_command_is_left_out() -> None:
    long = ".".join(["a" * 60] * 4)
    left_out = {form.name for form in FORMS} - {
        form.name for form in forms_for(Names(long, "192.0.2.7", long, long[:-1]))
    }
    assert "route-two" in left_out
    assert "from-null" not in left_out


@given(replies, st.one_of(st.none(), replies), st.one_of(st.none(), replies), replies, replies)
def test_nothing_that_a_server_says_to_a_relay_form_fails_it(
    mail: Said, recipient: Said | None, control: Said | None, data: Said, content: Said
) -> None:
    sent = Delivered(data, content, "n" * 16) if data is GO_ON else Delivered(data)
    for delivered in (None, sent):
        seen = Relayed(mail, recipient, control, delivered)
        for has_mailbox in (False, True):
            verdict = judge_relay(seen, has_mailbox=has_mailbox).verdict
            assert verdict is not Verdict.FAILED
            all_said = (mail, recipient, *((data, content) if delivered else ()))
            assert (verdict is PASSED) <= (NO in all_said)
            if seen.numbers and content is OK:
                assert verdict is not PASSED or NO in (mail, recipient)


@pytest.mark.parametrize(
    ("delivered", "verdict", "numbers", "words"),
    [
        (Delivered(GO_ON, OK, "n"), UNTESTED, ("n",), "has not arrived"),
        (Delivered(GO_ON, NO, "n"), UNTESTED, (), "refused this message only"),
        (Delivered(GO_ON, UNKNOWN, "n"), PASSED, (), "to the message the server answered"),
        (Delivered(GO_ON, LATER, "n"), UNTESTED, (), "Put off"),
        (Delivered(GO_ON, Trouble.CLOSED, "n"), UNTESTED, ("n",), "closed the connection"),
        (Delivered(NO), PASSED, (), "to DATA"),
        (Delivered(OK), UNTESTED, (), "To DATA"),
        (None, UNTESTED, (), "no further message was sent"),
    ],
)
def test_what_becomes_of_the_message_decides(
    delivered: Delivered | None, verdict: Verdict, numbers: tuple[str, ...], words: str
) -> None:
    seen = Relayed(OK, OK, NO, delivered)
    judgement = judge_relay(seen, has_mailbox=True)
    assert judgement.verdict is verdict
    assert seen.numbers == numbers
    assert words in judgement.explanation


def test_who_takes_a_made_up_password_fails() -> None:
    seen = Relayed(OK, NO, auth=Reply(235, ("Welcome",), "2.7.0"))
    assert judge_relay(seen, has_mailbox=False).verdict is Verdict.FAILED


def test_without_a_mailbox_an_accepted_recipient_proves_nothing() -> None:
    judgement = judge_relay(Relayed(OK, OK), has_mailbox=False)
    assert judgement.verdict is UNTESTED
    assert "test mailbox" in judgement.explanation
    catches_all = judge_relay(Relayed(OK, OK, OK), has_mailbox=False)
    assert catches_all.verdict is Verdict.INFORMATION
    local = judge_relay(Relayed(OK, OK), has_mailbox=True, is_local=True)
    assert local.verdict is Verdict.INFORMATION
