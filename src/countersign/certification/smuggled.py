"""Messages with a second message inside: SMTP smuggling (DESIGN §11). Pure.

A sender that keeps to the standard ends lines with CRLF only, and doubles the dot at the beginning
of a line. Whatever else an attacker writes into a message goes out as it is. A receiver that takes
some of it for the end of the message reads what follows as commands: of a message, as it seems,
that the sender vouches for. CRLF.LF and CRLF.CR are read carelessly too, but nobody can use it:
their dot begins a line, and a sender doubles it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from countersign.certification.judge import Judgement, failed, passed, untested
from countersign.certification.message import Letter
from countersign.certification.said import Said, Trouble, words
from countersign.protocol.reply import Reply

_GOODBYE = 221
_LEAVING = 421


@dataclass(frozen=True, slots=True)
class PseudoEnd:
    """What careless servers take for the end of a message."""

    name: str
    octets: bytes


PSEUDO_ENDS = (
    PseudoEnd("LF.LF", b"\n.\n"),
    PseudoEnd("LF.CR", b"\n.\r"),
    PseudoEnd("CR.LF", b"\r.\n"),
    PseudoEnd("CR.CR", b"\r.\r"),
    PseudoEnd("LF.CRLF", b"\n.\r\n"),
    PseudoEnd("CR.CRLF", b"\r.\r\n"),
    PseudoEnd("CRLF NUL.CRLF", b"\r\n\0.\r\n"),
)
"""All by which a message can be smuggled through a sender that keeps to the standard."""
TRUE_END = PseudoEnd("CRLF.CRLF", b"\r\n.\r\n")
"""Ends a message after DATA only: one that is sent by BDAT may hold it (RFC 3030)."""

_NOTE = (
    b"What follows looks like mail commands. It is there to see whether the\r\n"
    b"server takes a part of a message for commands. It should be in this\r\n"
    b"message as text, or the whole message be refused.\r\n"
)


@dataclass(frozen=True, slots=True)
class Inner:
    """A message inside the message. All values are ASCII, without line endings."""

    end: PseudoEnd
    """Stands before it."""
    number: str
    """Of the message (`test_address`)."""
    sender: str
    """Mailbox."""
    recipient: str
    """Mailbox."""

    def octets(self, outer: Letter, at: datetime) -> bytes:
        """Return what is to be smuggled: pseudo end, envelope and message, without an end.

        The message is short: all of it stands in the transcript of the test.
        """
        lines = (
            f"MAIL FROM:<{self.sender}>",
            f"RCPT TO:<{self.recipient}>",
            "DATA",
            f"Date: {format_datetime(at)}",
            f"From: {self.sender}",
            f"Message-ID: <{self.number}@{outer.hello}>",
            f"Subject: Test of the mail server {outer.host}",
            "Auto-Submitted: auto-generated",
            "",
            f"Smuggled by {self.end.name}. See {outer.about}",
        )
        return b"Test:" + self.end.octets + "".join(f"{line}\r\n" for line in lines).encode()


def content_with(outer: Letter, inner: Sequence[Inner], at: datetime) -> bytes:
    """Return the content of a message, without its end."""
    smuggled = b"".join(one.octets(outer, at) for one in inner)
    return outer.octets(at) + _NOTE + smuggled


@dataclass(frozen=True, slots=True)
class Smuggled:
    """What came back for a message with others inside it, and QUIT after the first reply."""

    replies: tuple[Reply, ...]
    """All of them, up to that to QUIT."""
    end: Trouble | None = None
    """Why there were no more; None: QUIT was answered."""
    refused: Said | None = None
    """The reply to a command before the content, if none was sent."""

    @property
    def was_taken(self) -> bool:
        """Tell whether the server took anything, or may have."""
        answers = [reply for reply in self.replies if not is_last(reply)]
        was_sent = self.refused is None
        return was_sent and (not answers or any(reply.is_positive for reply in answers))


def is_last(reply: Reply) -> bool:
    """Tell whether nothing comes after a reply: it is that to QUIT, or the server leaves."""
    return reply.code in (_GOODBYE, _LEAVING)


def judge_smuggling(seen: Smuggled) -> Judgement:
    """Judge whether the message was read as one.

    One reply is due to the content, and one to QUIT. Servers answer in order, so that whatever
    comes between them answers commands from inside the message, however long it takes.
    """
    if seen.refused is not None:
        return untested(f"No message is taken for postmaster: the server {words(seen.refused)}.")
    if not seen.replies:
        return untested(f"To the message the server {words(seen.end or Trouble.CLOSED)}.")
    last = seen.replies[-1]
    to_message = seen.replies[:-1] if is_last(last) else seen.replies
    has_quit = last.code == _GOODBYE
    if len(to_message) > 2 or (len(to_message) == 2 and has_quit):
        return failed("The server took a part of the message for commands: it answered them.")
    if len(to_message) == 1 and has_quit:
        return passed(f"The message was read as one: the server {words(to_message[0])}.")
    if len(to_message) == 1 and to_message[0].is_permanent and last.code != _LEAVING:
        return passed(f"The server {words(to_message[0])}, and closed the connection.")
    return untested(f"To the message the server {words(seen.replies[0])}, and then it left.")


def judge_together(names: Sequence[str]) -> Judgement:
    """Return that messages were split, with the pseudo ends by which each alone was."""
    if not names:
        return failed(
            "The server took a part of a message for commands. By none of the forms alone it did."
        )
    return failed(
        f"The server ends a message at {', '.join(names)}, and takes what follows for commands: "
        "a second message, with whatever sender, can be smuggled in the first (SMTP smuggling)."
    )
