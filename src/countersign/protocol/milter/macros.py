"""Macros: what an MTA tells a filter beside its commands."""

from __future__ import annotations

from countersign.protocol.milter.codes import Command
from countersign.protocol.milter.packets import MilterSyntaxError, split_strings

_MAX_MACROS = 200
_MAX_OCTETS = 64 * 1024
_OF_MESSAGE = (
    Command.END_OF_MESSAGE,
    Command.BODY,
    Command.END_OF_HEADER,
    Command.HEADER,
    Command.DATA,
    Command.RCPT,
    Command.MAIL,
)
_LATEST_FIRST = (*_OF_MESSAGE, Command.HELO, Command.CONNECT)


class Macros:
    """The macros that hold now. Those of a command hold from it on, and come just before it.

    A command without macros has none: what was said before an earlier command of its kind, of
    another message perhaps, does not go for it.
    """

    def __init__(self) -> None:
        self._announced: dict[Command, dict[str, str]] = {}
        self._holding: dict[Command, dict[str, str]] = {}

    def announce(self, data: bytes) -> None:
        """Take a packet of macros. Raises :class:`MilterSyntaxError`."""
        try:
            command = Command(data[:1].decode("ascii"))
        except ValueError:
            raise MilterSyntaxError("macros of no command") from None
        if len(data) > _MAX_OCTETS:
            raise MilterSyntaxError("too many octets of macros")
        strings = split_strings(data[1:]) if len(data) > 1 else []
        if len(strings) % 2 or len(strings) > 2 * _MAX_MACROS:
            raise MilterSyntaxError("too many macros, or one without a value")
        names, values = strings[::2], strings[1::2]
        self._announced[command] = {
            _plain(name): _text(value) for name, value in zip(names, values, strict=True)
        }

    def begin(self, command: Command) -> None:
        """Note that a command has come: what was announced for it holds."""
        announced = self._announced.pop(command, None)
        if announced:
            self._holding[command] = announced
        else:
            self._holding.pop(command, None)

    def end_message(self) -> None:
        """Forget what was said of a message."""
        for command in _OF_MESSAGE:
            self._holding.pop(command, None)

    def clear(self) -> None:
        """Forget everything: another client."""
        self._announced.clear()
        self._holding.clear()

    def get(self, name: str) -> str | None:
        """Return a macro's value by its name without braces; None: the MTA said nothing."""
        for command in _LATEST_FIRST:
            value = self._holding.get(command, {}).get(name)
            if value is not None:
                return value
        return None


def _plain(name: bytes) -> str:
    return _text(name.removeprefix(b"{").removesuffix(b"}"))


def _text(octets: bytes) -> str:
    # What is no UTF-8 stays told apart, and is printable nowhere.
    return octets.decode("utf-8", "surrogateescape")
