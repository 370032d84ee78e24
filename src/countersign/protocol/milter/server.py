"""The filter's side of a milter dialogue: fed octets, gives events, knows no sockets.

What is out of order or malformed raises :class:`MilterSyntaxError`; then the connection has to be
closed, and the MTA does what it is told to do without its filter.
"""

from __future__ import annotations

from collections.abc import Callable

from countersign.protocol.milter.answers import (
    Verdict,
    encode_answer,
    encode_field,
    encode_removal,
)
from countersign.protocol.milter.codes import VERSION, Action, Answer, Command, Step
from countersign.protocol.milter.events import (
    Aborted,
    BodyPiece,
    Connected,
    DataCommand,
    Ended,
    EndOfHeader,
    EndOfMessage,
    Event,
    HeaderField,
    Hello,
    MailFrom,
    RcptTo,
)
from countersign.protocol.milter.macros import Macros
from countersign.protocol.milter.negotiation import Agreement, Symbols, agree
from countersign.protocol.milter.order import ALLOWED, UNANSWERED, State
from countersign.protocol.milter.packets import (
    MilterSyntaxError,
    Packet,
    PacketReader,
    encode_packet,
    split_strings,
)
from countersign.protocol.milter.parsing import parse_client, parse_header_field
from countersign.protocol.reply import Reply


class MilterDialogue:
    """One connection of an MTA."""

    def __init__(self, symbols: Symbols) -> None:
        """``symbols``: the macros that the application wants, by stage."""
        self._symbols = symbols
        self._reader = PacketReader()
        self._macros = Macros()
        self._output = bytearray()
        self._state = State.NEW
        self._agreement = Agreement(VERSION, Action(0), Step(0))
        self._waiting: Command | None = None
        self.closed = False
        self._handlers: dict[Command, Callable[[bytes], Event | None]] = {
            Command.NEGOTIATE: self._on_negotiate,
            Command.MACROS: self._on_macros,
            Command.CONNECT: self._on_connect,
            Command.HELO: self._on_helo,
            Command.MAIL: self._on_mail,
            Command.RCPT: self._on_rcpt,
            Command.DATA: self._on_data,
            Command.HEADER: self._on_header,
            Command.END_OF_HEADER: self._on_end_of_header,
            Command.BODY: self._on_body,
            Command.END_OF_MESSAGE: self._on_end_of_message,
            Command.ABORT: self._on_abort,
            Command.UNKNOWN: self._on_unknown,
            Command.QUIT: self._on_quit,
            Command.QUIT_NEW_CONNECTION: self._on_quit_new_connection,
        }

    # -- octets ------------------------------------------------------------------------------

    def receive(self, octets: bytes) -> None:
        """Add octets received."""
        self._reader.feed(octets)

    def octets_to_send(self) -> bytes:
        """Return what is to be sent, and forget it."""
        octets = bytes(self._output)
        self._output.clear()
        return octets

    # -- events ------------------------------------------------------------------------------

    @property
    def in_message(self) -> bool:
        """True from MAIL to the message's end."""
        return self._state >= State.MAIL

    @property
    def is_waiting(self) -> bool:
        """True while the last event has no answer."""
        return self._waiting is not None

    def macro(self, name: str) -> str:
        """Return a macro's value, by its name without braces; empty: the MTA said nothing."""
        return self._macros.get(name) or ""

    def next_event(self) -> Event | None:
        """Return the next event, or None: more octets, or an answer, are needed.

        Raises :class:`MilterSyntaxError`.
        """
        while not self.closed and self._waiting is None:
            packet = self._reader.next_packet()
            if packet is None:
                return None
            event = self._take(packet)
            if event is not None:
                return event
        return None

    def _take(self, packet: Packet) -> Event | None:
        command = packet.command
        first, last = ALLOWED[command]
        if not first <= self._state <= last:
            raise MilterSyntaxError(f"{command.name} comes out of order")
        event = self._handlers[command](packet.data)
        silent = UNANSWERED.get(command)
        if silent is not None and not silent & self._agreement.steps:
            self._output += encode_packet(Answer.CONTINUE)
        return event

    # -- answers -----------------------------------------------------------------------------

    def respond(self, answer: Verdict | Reply) -> None:
        """Answer the event that waits. A reply must be 4yz or 5yz."""
        command, self._waiting = self._waiting, None
        if command is None:
            raise AssertionError("nothing waits for an answer")
        self._output += encode_answer(answer)
        refused = answer is not Verdict.CONTINUE
        if command is Command.END_OF_MESSAGE or (refused and command is Command.MAIL):
            self._end_message()

    def progress(self) -> None:
        """Tell the MTA that the message is still looked at."""
        self._demand_end_of_message()
        self._output += encode_packet(Answer.PROGRESS)

    def insert_field(self, index: int, field: bytes) -> None:
        """Put a header field before that with an index; 0: on top, above the MTA's own too."""
        self._demand_end_of_message()
        self._output += encode_field(index, field, leading_space=self._has_leading_space)

    def add_field(self, field: bytes) -> None:
        """Put a header field after all others."""
        self._demand_end_of_message()
        self._output += encode_field(None, field, leading_space=self._has_leading_space)

    def remove_field(self, name: bytes, occurrence: int) -> None:
        """Remove a header field; ``occurrence``: 1 for the first that bears the name."""
        self._demand_end_of_message()
        self._output += encode_removal(name, occurrence)

    @property
    def _has_leading_space(self) -> bool:
        return bool(self._agreement.steps & Step.LEADING_SPACE)

    def _demand_end_of_message(self) -> None:
        if self._waiting is not Command.END_OF_MESSAGE:
            raise AssertionError("a message can be changed at its end only")

    # -- commands ----------------------------------------------------------------------------

    def _on_negotiate(self, data: bytes) -> None:
        self._agreement = agree(data)
        self._output += self._agreement.encode(self._symbols)
        self._state = State.NEGOTIATED

    def _on_macros(self, data: bytes) -> None:
        self._macros.announce(data)

    def _on_connect(self, data: bytes) -> Event:
        name, address = parse_client(data)
        self._macros.begin(Command.CONNECT)
        self._state = State.READY
        return Connected(name, address)

    def _on_helo(self, data: bytes) -> Event:
        (name,) = _strings(data, 1)
        self._end_message()
        self._macros.begin(Command.HELO)
        return Hello(name)

    def _on_mail(self, data: bytes) -> Event:
        path, *parameters = split_strings(data)
        self._end_message()
        self._macros.begin(Command.MAIL)
        self._advance(State.MAIL, Command.MAIL)
        return MailFrom(path, tuple(parameters))

    def _on_rcpt(self, data: bytes) -> Event:
        path, *parameters = split_strings(data)
        self._macros.begin(Command.RCPT)
        self._advance(State.RCPT, Command.RCPT)
        return RcptTo(path, tuple(parameters))

    def _on_data(self, _data: bytes) -> Event:
        self._macros.begin(Command.DATA)
        self._advance(State.DATA, Command.DATA)
        return DataCommand()

    def _on_header(self, data: bytes) -> Event:
        name, value = _strings(data, 2)
        self._macros.begin(Command.HEADER)
        self._state = State.HEADER
        octets = parse_header_field(name, value, leading_space=self._has_leading_space)
        return HeaderField(name, octets)

    def _on_end_of_header(self, _data: bytes) -> Event:
        self._macros.begin(Command.END_OF_HEADER)
        self._state = State.BODY
        return EndOfHeader()

    def _on_body(self, data: bytes) -> Event:
        return BodyPiece(data)

    def _on_end_of_message(self, data: bytes) -> Event:
        if data and self._state is not State.BODY:
            raise MilterSyntaxError("a body without the end of the header section")
        self._macros.begin(Command.END_OF_MESSAGE)
        self._advance(State.BODY, Command.END_OF_MESSAGE)
        return EndOfMessage(data)

    def _on_abort(self, _data: bytes) -> Event | None:
        if not self.in_message:
            return None
        self._end_message()
        return Aborted()

    def _on_unknown(self, _data: bytes) -> None:
        return None

    def _on_quit(self, _data: bytes) -> Event:
        self.closed = True
        return Ended(is_last=True)

    def _on_quit_new_connection(self, _data: bytes) -> Event:
        self._macros.clear()
        self._state = State.NEGOTIATED
        return Ended(is_last=False)

    def _advance(self, state: State, waiting: Command) -> None:
        self._state = state
        self._waiting = waiting

    def _end_message(self) -> None:
        self._macros.end_message()
        self._state = min(self._state, State.READY)


def _strings(data: bytes, count: int) -> list[bytes]:
    strings = split_strings(data)
    if len(strings) != count:
        raise MilterSyntaxError("a command has more or fewer arguments than it has")
    return strings
