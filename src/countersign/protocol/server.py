"""The server side of SMTP and LMTP, without I/O (RFC 5321, 2033, 3207, 4954; DESIGN §3, §5).

Feed octets with :meth:`ServerDialogue.receive`, take events from
:meth:`ServerDialogue.next_event`, answer each with :meth:`ServerDialogue.respond`, and send
what :meth:`ServerDialogue.octets_to_send` returns. What is wrong by syntax or by sequence is
answered here and makes no event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum

from countersign.protocol.address import AddressSyntaxError, normalise_hostname, parse_domain
from countersign.protocol.authentication import (
    LINE_TOO_LONG,
    MAX_LINE,
    NOT_SIGNED_IN,
    Authentication,
    challenge,
)
from countersign.protocol.command import (
    CommandRefusedError,
    CommandSyntaxError,
    parse_envelope,
    split_command,
)
from countersign.protocol.control import hello_line
from countersign.protocol.data import ContentReader
from countersign.protocol.events import (
    AuthBegun,
    AuthContinued,
    AuthInClear,
    Content,
    DataCommand,
    EndOfContent,
    Event,
    Hello,
    MailFrom,
    Question,
    Quit,
    RcptTo,
    Reset,
    SessionIdOffered,
    StartTls,
)
from countersign.protocol.parameters import MAIL_PARAMETERS, RCPT_PARAMETERS, check_parameters
from countersign.protocol.reply import Reply, reply
from countersign.protocol.server_settings import ServerSettings
from countersign.protocol.session_id import is_session_id

BAD_SEQUENCE = reply(503, "5.5.1", "Bad sequence of commands")
NEED_TLS = reply(530, "5.7.0", "Must issue a STARTTLS command first")
OK = reply(250, "2.0.0", "Ok")
BAD_LINE_ENDING = reply(500, "5.5.2", "Bare CR, bare LF or NUL in a command")


class _State(Enum):
    COMMAND = "commands are read"
    REPLY = "an event waits for its reply"
    EXCHANGE = "the client's response to a challenge is read"
    CONTENT = "content is read"
    TLS = "the application upgrades the connection"
    CLOSED = "nothing more is read"


class ServerDialogue:
    """One client's dialogue, from the greeting to the end."""

    def __init__(self, settings: ServerSettings, *, in_tls: bool = False) -> None:
        """``in_tls``: the connection is inside TLS before anything is said (RFC 8314 §3.3)."""
        self.settings = settings
        self.in_tls = in_tls
        self.hello: Hello | None = None
        self.recipients = 0
        """Recipients accepted in this transaction."""
        self.errors = 0
        self.commands = 0
        """Command lines so far."""
        self._authentication = Authentication(settings.mechanisms)
        self._state = _State.COMMAND
        self._pending: Event | None = None
        self._input = bytearray()
        self._output = bytearray()
        self._content: ContentReader | None = None
        self._parameters: frozenset[str] = frozenset()
        self._in_transaction = False
        self._mail_was_refused = False
        self._session_id_used = False

    # -- what the application calls -------------------------------------------------

    @property
    def closed(self) -> bool:
        """True when the connection must be closed once the output is sent."""
        return self._state is _State.CLOSED

    @property
    def in_transaction(self) -> bool:
        """True between an accepted MAIL and the transaction's end."""
        return self._in_transaction

    @property
    def signed_in(self) -> bool:
        """True from a 235 to AUTH on, also after another EHLO."""
        return self._authentication.signed_in

    @property
    def extensions(self) -> tuple[str, ...]:
        """Lines of the reply to EHLO for what the dialogue itself offers, as it stands now."""
        if not self.in_tls:
            return ("STARTTLS",) if self.settings.start_tls else ()
        token = self.settings.control_token
        return (
            *(("XSESSIONID", "XVERIFY") if self.settings.verification else ()),
            *((hello_line(token),) if token else ()),
            *((self._authentication.extension,) if self.settings.mechanisms else ()),
        )

    def greet(self, greeting: Reply) -> None:
        """Send the greeting: 220, or a refusal (554, 421), which ends the dialogue."""
        self._send(greeting)
        if not greeting.is_positive:
            self.close()

    def receive(self, data: bytes) -> None:
        """Add octets received from the client."""
        if self._state is not _State.CLOSED:
            self._input += data

    @property
    def buffered(self) -> int:
        """Octets received that are not yet consumed: the application stops reading at a bound."""
        return len(self._input)

    def octets_to_send(self) -> bytes:
        """Return, and forget, the octets to send."""
        if not self._output:
            return b""
        output = bytes(self._output)
        self._output.clear()
        return output

    def next_event(self) -> Event | None:
        """Return the next event; None when more octets, a reply or TLS is waited for."""
        while True:
            if self._state is _State.CONTENT:
                return self._next_content()
            if self._state not in (_State.COMMAND, _State.EXCHANGE):
                return None
            line = self._next_line()
            if line is None:
                return None
            event = self._interpret(line)
            if event is not None:
                self._pending = event
                self._state = _State.REPLY
                return event

    def respond(self, answer: Reply, *, close: bool = False) -> None:
        """Answer the event that waits; ``close`` ends the dialogue after it."""
        event = self._take_pending()
        if self._state is _State.CLOSED:
            return
        self._send(answer)
        self._state = _State.COMMAND
        self._apply(event, answer)
        if close or answer.code == 421:
            self.close()

    def respond_to_hello(self, answer: Reply, *, parameters: frozenset[str]) -> None:
        """Answer a :class:`Hello`; ``parameters``: those of MAIL and RCPT that are announced."""
        self._parameters = parameters
        self.respond(answer)

    def respond_with_challenge(self, octets: bytes) -> None:
        """Answer :class:`AuthBegun` or :class:`AuthContinued`: the client is to say more."""
        self.respond(challenge(octets))

    def respond_to_content(self, answers: Sequence[Reply], *, close: bool = False) -> None:
        """Answer :class:`EndOfContent`: one reply, or in LMTP one for each recipient.

        Raises :class:`ValueError` if the number of replies is wrong.
        """
        wanted = self.recipients if self.settings.lmtp else 1
        if len(answers) != wanted:
            raise ValueError(f"{wanted} replies are due, not {len(answers)}")
        for answer in answers[:-1]:
            self._send(answer)
        self.respond(answers[-1], close=close)

    def tls_started(self) -> None:
        """Note that the connection is inside TLS now: the dialogue starts anew (RFC 3207 §4.2)."""
        if self._state is not _State.TLS:
            raise RuntimeError("no STARTTLS was accepted")
        self.in_tls = True
        self._state = _State.COMMAND
        self.hello = None
        self._session_id_used = False
        self._authentication.forget()
        self._end_transaction()

    def close(self, farewell: Reply | None = None) -> None:
        """End the dialogue, with a farewell such as 421 if given."""
        if farewell is not None and self._state is not _State.CLOSED:
            self._send(farewell)
        self._state = _State.CLOSED
        self._input.clear()

    # -- from octets to events --------------------------------------------------------

    def _next_line(self) -> bytes | None:
        is_auth = self._is_auth_line()
        limit = MAX_LINE if is_auth else self.settings.max_command_line
        end = self._input.find(b"\r\n", 0, limit)
        if end < 0:
            if len(self._input) >= limit:
                self.close(LINE_TOO_LONG if is_auth else reply(500, "5.5.2", "Line too long"))
            elif b"\n" in self._input:
                self.close(BAD_LINE_ENDING)
            return None
        line = bytes(self._input[:end])
        del self._input[: end + 2]
        if b"\n" in line or b"\r" in line or b"\0" in line:
            # Whoever writes these may mean another framing than ours: nothing more is read.
            self.close(BAD_LINE_ENDING)
            return None
        self.commands += 1
        if self._has_too_many_commands():
            self.close(reply(421, "4.7.0", "Too many commands"))
            return None
        return line

    def _has_too_many_commands(self) -> bool:
        limits = [self.settings.max_commands]
        if not self.signed_in:
            limits.append(self.settings.max_commands_before_sign_in)
        return any(limit is not None and self.commands > limit for limit in limits)

    def _is_auth_line(self) -> bool:
        if self._state is _State.EXCHANGE:
            return True
        return bool(self.settings.mechanisms) and self._input[:5].upper() == b"AUTH "

    def _next_content(self) -> Event | None:
        reader = self._content
        if reader is None:
            return None
        if reader.finished:
            self._input[:0] = reader.leftover
            self._content = None
            self._state = _State.REPLY
            self._pending = EndOfContent(reader.fault, reader.size)
            return self._pending
        if not self._input:
            return None
        data = bytes(self._input)
        self._input.clear()
        content = reader.feed(data)
        if content:
            return Content(content)
        return self._next_content()

    def _interpret(self, line: bytes) -> Event | None:
        try:
            if self._state is _State.EXCHANGE:
                self._state = _State.COMMAND
                return self._authentication.next_response(line)
            verb, argument = split_command(line)
            return _COMMANDS.get(verb, ServerDialogue._on_unknown)(self, argument)
        except CommandSyntaxError as error:
            self._refuse(reply(501, "5.5.4", str(error)))
        except CommandRefusedError as refusal:
            self._refuse(refusal.answer)
        return None

    def _refuse(self, answer: Reply) -> None:
        self._send(answer)
        if answer is BAD_SEQUENCE and self._mail_was_refused:
            # What a client pipelined behind a refused MAIL is no error of its own (RFC 2920).
            return
        self._count_error()

    def _count_error(self) -> None:
        self.errors += 1
        if self.errors >= self.settings.max_errors:
            self.close(reply(421, "4.7.0", "Too many errors"))

    def _on_hello(self, verb: str, argument: str) -> Event:
        if (verb == "LHLO") != self.settings.lmtp:
            raise CommandRefusedError(reply(500, "5.5.1", f"{verb} is not spoken here"))
        if not argument or " " in argument:
            raise CommandSyntaxError(f"Syntax: {verb} hostname")
        try:
            name = parse_domain(argument)
        except AddressSyntaxError as error:
            raise CommandSyntaxError(f"Bad name: {error}") from None
        return Hello(verb, name, is_hostname=not name.startswith("[") and _is_hostname(name))

    def _on_start_tls(self, argument: str) -> Event:
        if not self.settings.start_tls:
            raise CommandRefusedError(reply(502, "5.5.1", "STARTTLS is not offered"))
        if argument:
            raise CommandSyntaxError("STARTTLS takes no argument")
        self._require(self.hello is not None and not self.in_tls and not self._in_transaction)
        return StartTls()

    def _on_auth(self, argument: str) -> Event:
        if not self.settings.mechanisms:
            raise CommandRefusedError(reply(502, "5.5.1", "AUTH is not offered"))
        if not self.in_tls:
            return AuthInClear()
        hello = self.hello
        self._require(hello is not None and hello.verb != "HELO")
        self._require(not self._in_transaction and not self.signed_in)
        return self._authentication.begin(argument)

    def _on_session_id(self, argument: str) -> Event:
        session_id = self._verification_argument(argument)
        hello = self.hello
        self._require(hello is not None and hello.verb == "EHLO" and not self._session_id_used)
        if hello is not None and not hello.is_hostname:
            raise CommandRefusedError(
                reply(550, "5.7.1", "EHLO with the registered hostname first")
            )
        return SessionIdOffered(session_id)

    def _on_question(self, argument: str) -> Event:
        return Question(self._verification_argument(argument))

    def _verification_argument(self, argument: str) -> str:
        if not self.settings.verification:
            raise CommandRefusedError(reply(502, "5.5.1", "Not offered here"))
        if not self.in_tls:
            raise CommandRefusedError(NEED_TLS)
        self._require(self.hello is not None and not self._in_transaction)
        if not is_session_id(argument, self.settings.session_id_length):
            length = self.settings.session_id_length
            raise CommandSyntaxError(f"A session ID is {length} letters and digits")
        return argument

    def _on_mail(self, argument: str) -> Event:
        self._require(self.hello is not None and not self._in_transaction)
        if self.settings.requires_sign_in and not self.signed_in:
            raise CommandRefusedError(NOT_SIGNED_IN if self.in_tls else NEED_TLS)
        envelope = parse_envelope(argument, "FROM")
        offers_auth = bool(self.settings.mechanisms) and self.in_tls
        announced = self._parameters | {"AUTH"} if offers_auth else self._parameters
        check_parameters(envelope, MAIL_PARAMETERS, announced)
        size = envelope.parameters.get("SIZE")
        if size is not None and int(size) > self.settings.max_message_size:
            raise CommandRefusedError(reply(552, "5.3.4", "The message is too big"))
        # Who a user says wrote the message (RFC 4954 §5) is proven to nobody: not passed on.
        rest = {name: value for name, value in envelope.parameters.items() if name != "AUTH"}
        return MailFrom(replace(envelope, parameters=rest))

    def _on_rcpt(self, argument: str) -> Event:
        self._require(self._in_transaction)
        envelope = parse_envelope(argument, "TO")
        check_parameters(envelope, RCPT_PARAMETERS, self._parameters)
        if self.recipients >= self.settings.max_recipients:
            # A limit is no error of the client's: it sends the rest in another transaction.
            raise CommandRefusedError(reply(452, "4.5.3", "Too many recipients"))
        return RcptTo(envelope)

    def _on_data(self, argument: str) -> Event:
        if argument:
            raise CommandSyntaxError("DATA takes no argument")
        self._require(self._in_transaction)
        if not self.recipients:
            raise CommandRefusedError(reply(503, "5.5.1", "No valid recipients"))
        return DataCommand()

    def _on_help(self, _argument: str) -> None:
        self._send(reply(214, "2.0.0", "See RFC 5321, and docs/PROTOCOL.md of Countersign"))

    def _on_noop(self, _argument: str) -> None:
        self._send(OK)

    def _on_vrfy(self, argument: str) -> None:
        if not argument:
            raise CommandSyntaxError("Syntax: VRFY address")
        self._send(reply(252, "2.5.2", "Cannot VRFY, but will take mail and try to deliver it"))

    def _on_unknown(self, _argument: str) -> None:
        raise CommandRefusedError(reply(500, "5.5.2", "Unknown command"))

    def _on_not_implemented(self, _argument: str) -> None:
        raise CommandRefusedError(reply(502, "5.5.1", "Command not implemented"))

    # -- from replies to state -----------------------------------------------------------

    def _apply(self, event: Event, answer: Reply) -> None:
        positive = answer.is_positive
        match event:
            case Hello() if positive:
                self.hello = event
                self._session_id_used = False
                self._end_transaction()
            case StartTls() if positive:
                # Octets that came before the handshake are an attacker's (RFC 3207 §6).
                self._input.clear()
                self._state = _State.TLS
            case AuthInClear() | AuthBegun() | AuthContinued():
                self._authentication.answered(answer)
                if self._authentication.in_exchange:
                    self._state = _State.EXCHANGE
                elif not positive:
                    self._count_error()
            case SessionIdOffered() if positive:
                self._session_id_used = True
            case MailFrom():
                self._in_transaction = positive
                self._mail_was_refused = not positive
            case RcptTo() if positive:
                self.recipients += 1
            case DataCommand() if answer.is_intermediate:
                self._state = _State.CONTENT
                self._content = ContentReader(
                    max_line=self.settings.max_text_line,
                    max_size=self.settings.max_message_size,
                )
            case EndOfContent() | Reset():
                self._end_transaction()
            case Quit():
                self.close()
            case _:
                pass

    def _take_pending(self) -> Event:
        event = self._pending
        if event is None or self._state not in (_State.REPLY, _State.CLOSED):
            raise RuntimeError("no event waits for a reply")
        self._pending = None
        return event

    def _end_transaction(self) -> None:
        self._in_transaction = False
        self._mail_was_refused = False
        self.recipients = 0
        self._content = None

    def _send(self, answer: Reply) -> None:
        self._output += answer.encode()

    def _require(self, condition: bool) -> None:
        if not condition:
            raise CommandRefusedError(BAD_SEQUENCE)


def _is_hostname(name: str) -> bool:
    try:
        return "." in normalise_hostname(name)
    except AddressSyntaxError:
        return False


def _no_argument(event: Event, verb: str) -> Callable[[ServerDialogue, str], Event]:
    def handle(_dialogue: ServerDialogue, argument: str) -> Event:
        if argument:
            raise CommandSyntaxError(f"{verb} takes no argument")
        return event

    return handle


_COMMANDS: dict[str, Callable[[ServerDialogue, str], Event | None]] = {
    "EHLO": lambda dialogue, argument: dialogue._on_hello("EHLO", argument),
    "HELO": lambda dialogue, argument: dialogue._on_hello("HELO", argument),
    "LHLO": lambda dialogue, argument: dialogue._on_hello("LHLO", argument),
    "STARTTLS": ServerDialogue._on_start_tls,
    "AUTH": ServerDialogue._on_auth,
    "XSESSIONID": ServerDialogue._on_session_id,
    "XVERIFY": ServerDialogue._on_question,
    "MAIL": ServerDialogue._on_mail,
    "RCPT": ServerDialogue._on_rcpt,
    "DATA": ServerDialogue._on_data,
    "RSET": _no_argument(Reset(), "RSET"),
    "QUIT": _no_argument(Quit(), "QUIT"),
    "NOOP": ServerDialogue._on_noop,
    "HELP": ServerDialogue._on_help,
    "VRFY": ServerDialogue._on_vrfy,
    "EXPN": ServerDialogue._on_not_implemented,
    "BDAT": ServerDialogue._on_not_implemented,
}
