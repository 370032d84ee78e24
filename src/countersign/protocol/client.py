"""The client side of SMTP and LMTP, without I/O (RFC 5321, RFC 2033, RFC 2920; DESIGN §3).

Each command method returns the octets to send and remembers that a reply is due; replies
come out of :meth:`ClientDialogue.receive` paired with the command they answer. Several
commands may be sent before their replies where the server offers PIPELINING.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from countersign.protocol.data import ContentWriter
from countersign.protocol.reply import Reply, ReplyReader, ReplySyntaxError


class Sent(StrEnum):
    """What a reply answers."""

    CONNECTION = "connection"
    HELLO = "hello"
    STARTTLS = "STARTTLS"
    XCLIENT = "XCLIENT"
    SESSION_ID = "XSESSIONID"
    QUESTION = "XVERIFY"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "content"
    RESET = "RSET"
    QUIT = "QUIT"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply and the command that it answers."""

    to: Sent
    reply: Reply


class ClientSequenceError(RuntimeError):
    """The application sent what the protocol does not allow at this point."""


class UnaskedReplyError(ReplySyntaxError):
    """The server sent something that nothing asked for, in clear or inside TLS."""


class ClientDialogue:
    """One server's dialogue, from its greeting on."""

    def __init__(self, *, lmtp: bool = False) -> None:
        self.lmtp = lmtp
        self.in_tls = False
        self.server_left = False
        """True once the server has said 421 unasked: nothing more may be sent."""
        self.extensions: Mapping[str, str] = {}
        """EHLO keywords of the server in upper case, with their parameters."""
        self._reader = ReplyReader()
        self._due: deque[Sent] = deque([Sent.CONNECTION])
        self._writer: ContentWriter | None = None
        self._recipients = 0

    # -- replies ---------------------------------------------------------------------------

    @property
    def replies_due(self) -> int:
        """How many replies the server still owes."""
        return len(self._due)

    def receive(self, data: bytes) -> list[Answer]:
        """Add octets received; return the replies that are complete.

        Raises :class:`~countersign.protocol.reply.ReplySyntaxError`, also for a reply that
        nothing asked for: the connection must then be dropped.
        """
        self._reader.feed(data)
        answers = []
        while (reply := self._reader.next_reply()) is not None:
            if reply.code == 421 and not self._due:
                # A server may leave at any time (RFC 5321 §3.8); what it said before still holds.
                self.server_left = True
            else:
                answers.append(self._match(reply))
        return answers

    def _match(self, reply: Reply) -> Answer:
        if not self._due:
            raise UnaskedReplyError(f"a reply that nothing asked for: {reply}")
        sent = self._due.popleft()
        if sent is Sent.HELLO and reply.is_positive:
            self.extensions = _parse_extensions(reply)
        elif sent is Sent.RCPT and reply.is_positive:
            self._recipients += 1
        elif sent is Sent.DATA and reply.is_intermediate:
            self._writer = ContentWriter()
        elif sent is Sent.XCLIENT and reply.is_positive:
            self.extensions = {}
        return Answer(sent, reply)

    # -- commands ----------------------------------------------------------------------------

    def hello(self, name: str, *, extended: bool = True) -> bytes:
        """EHLO, LHLO, or HELO for a server that knows no EHLO."""
        verb = "LHLO" if self.lmtp else "EHLO" if extended else "HELO"
        return self._command(Sent.HELLO, f"{verb} {name}")

    def start_tls(self) -> bytes:
        """STARTTLS; after the 220, upgrade and call :meth:`tls_started`."""
        return self._command(Sent.STARTTLS, "STARTTLS")

    def tls_started(self) -> None:
        """Forget all that was said in clear (RFC 3207 §4.2).

        Raises :class:`ReplySyntaxError` if replies had been injected before the handshake.
        """
        if self._reader.discard():
            raise UnaskedReplyError("octets in clear between STARTTLS and the handshake")
        self.in_tls = True
        self.extensions = {}

    def xclient(self, attributes: Mapping[str, str]) -> bytes:
        """XCLIENT (Postfix XCLIENT_README); the server greets anew, so say hello again."""
        words = " ".join(f"{name}={_xtext(value)}" for name, value in attributes.items())
        return self._command(Sent.XCLIENT, f"XCLIENT {words}")

    def session_id(self, session_id: str) -> bytes:
        """XSESSIONID (DESIGN §3.2): inside TLS only."""
        self._need_tls()
        return self._command(Sent.SESSION_ID, f"XSESSIONID {session_id}")

    def question(self, session_id: str) -> bytes:
        """XVERIFY (DESIGN §3.3): inside TLS only."""
        self._need_tls()
        return self._command(Sent.QUESTION, f"XVERIFY {session_id}")

    def mail(self, raw_path: str, parameters: str = "") -> bytes:
        """MAIL; ``raw_path`` with brackets, ``parameters`` with a leading space each."""
        self._recipients = 0
        return self._command(Sent.MAIL, f"MAIL FROM:{raw_path}{parameters}")

    def rcpt(self, raw_path: str, parameters: str = "") -> bytes:
        """RCPT; arguments as for :meth:`mail`."""
        return self._command(Sent.RCPT, f"RCPT TO:{raw_path}{parameters}")

    def data(self) -> bytes:
        """Announce the content with DATA."""
        return self._command(Sent.DATA, "DATA")

    def content(self, data: bytes) -> bytes:
        """Return a piece of content with dot-stuffing; lines must end with CRLF."""
        return self._content_writer().write(data)

    def end_of_content(self) -> bytes:
        """End the content; in LMTP one reply for each accepted recipient is due."""
        octets = self._content_writer().end()
        self._writer = None
        self._due.extend([Sent.CONTENT] * (self._recipients if self.lmtp else 1))
        return octets

    def reset(self) -> bytes:
        """RSET."""
        return self._command(Sent.RESET, "RSET")

    def noop(self) -> bytes:
        """NOOP."""
        return self._command(Sent.OTHER, "NOOP")

    def quit(self) -> bytes:
        """QUIT."""
        return self._command(Sent.QUIT, "QUIT")

    def raw(self, octets: bytes, *, replies: int = 1) -> bytes:
        """Return octets as they are, whatever the protocol says of them; so many replies are due.

        For tests of servers: what a well-behaved client never sends.
        """
        self._due.extend([Sent.OTHER] * replies)
        return octets

    # -- inside -------------------------------------------------------------------------------

    def _command(self, sent: Sent, line: str) -> bytes:
        if self._writer is not None:
            raise ClientSequenceError("the content is not ended yet")
        if any(character in line for character in "\r\n\0"):
            raise ClientSequenceError("a line ending inside a command")
        self._due.append(sent)
        return line.encode("utf-8") + b"\r\n"

    def _content_writer(self) -> ContentWriter:
        if self._writer is None:
            raise ClientSequenceError("no DATA was accepted")
        return self._writer

    def _need_tls(self) -> None:
        if not self.in_tls:
            raise ClientSequenceError("the verification dialogue runs inside TLS only")


def _parse_extensions(reply: Reply) -> dict[str, str]:
    extensions = {}
    for line in reply.lines[1:]:
        keyword, _, parameters = line.partition(" ")
        extensions[keyword.upper()] = parameters
    return extensions


def _xtext(value: str) -> str:
    """Encode a value as xtext (RFC 3461 §4)."""
    return "".join(
        character
        if "!" <= character <= "~" and character not in "+="
        else "".join(f"+{octet:02X}" for octet in character.encode())
        for character in value
    )
