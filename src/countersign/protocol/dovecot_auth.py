"""The client's side of Dovecot's authentication protocol, version 1 (its "auth-client" socket).

https://doc.dovecot.org/developer_manual/design/auth_protocol/. Pure: fed octets, it returns what
the server said; it makes the lines to send. Many exchanges share one connection, each by its id.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

MAX_LINE = 16384
"""Octets of a line of the server's."""
MAX_RESPONSE = 4096
"""Octets that a client may say to a mechanism: Dovecot takes lines of 8192, in base 64."""
MAX_MECHANISMS = 64
MAX_EXCHANGES = 4096
"""That may be open on a connection."""
_LAST_ID = 2**31 - 1
_UNESCAPED = {"0": "\0", "1": "\1", "t": "\t", "r": "\r", "l": "\n"}
_ESCAPE = re.compile("\1(.)")


class DovecotProtocolError(Exception):
    """The server does not speak the protocol: the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The server has introduced itself."""

    mechanisms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Continued:
    """More is wanted of the client."""

    id: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Passed:
    """The client has proven who it is."""

    id: int
    user: str
    octets: bytes = field(repr=False)
    """What the mechanism still says; mostly nothing."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It has not, or the server could not tell."""

    id: int
    user: str
    """Empty: it was not named."""
    code: str
    """`temp_fail`, `user_disabled` …; empty: the name or the password is wrong."""

    @property
    def is_temporary(self) -> bool:
        """The server could not tell."""
        return self.code == "temp_fail"


Event = Ready | Continued | Passed | Failed


class AuthClient:
    """One connection to Dovecot."""

    def __init__(self, pid: int) -> None:
        """pid: the process's, by which the server tells clients apart."""
        self._hello = f"VERSION\t1\t1\nCPID\t{pid}\n".encode()
        self._buffer = b""
        self._has_version = False
        self._is_ready = False
        self._mechanisms: list[str] = []
        self._open: set[int] = set()
        self._next_id = 1

    def hello(self) -> bytes:
        """Return what is sent first."""
        return self._hello

    def begin(
        self, mechanism: str, client_address: str, response: bytes | None
    ) -> tuple[int, bytes]:
        """Return the id of a new exchange, and what begins it. client_address: may be empty.

        Raises :class:`ValueError` for what cannot be sent, or if too many are open.
        """
        if len(self._open) >= MAX_EXCHANGES:
            raise ValueError("too many exchanges are open")
        words = ["service=smtp", "secured", "nologin", "no-penalty"]
        if client_address:
            words.append(f"rip={client_address}")
        if response is not None:
            # Last: what comes after it is not read.
            words.append(f"resp={_encoded(response)}")
        if any("\t" in word or "\n" in word for word in (mechanism, *words)):
            raise ValueError("a word has no tabs and no line ends")
        number = self._new_id()
        return number, "\t".join(["AUTH", str(number), mechanism, *words]).encode() + b"\n"

    def go_on(self, number: int, response: bytes) -> bytes:
        """Return what goes on with an exchange. Raises :class:`ValueError` if it cannot be sent."""
        return f"CONT\t{number}\t{_encoded(response)}\n".encode()

    def cancel(self, number: int) -> bytes:
        """Return what ends an exchange; what the server still says of it is passed over."""
        if number not in self._open:
            return b""
        self._open.discard(number)
        return f"CANCEL\t{number}\n".encode()

    def feed(self, octets: bytes) -> list[Event]:
        """Take what the server sent. Raises :class:`DovecotProtocolError`."""
        *lines, self._buffer = (self._buffer + octets).split(b"\n")
        if any(len(line) > MAX_LINE for line in (*lines, self._buffer)):
            raise DovecotProtocolError("a line is too long")
        events = (self._line(line) for line in lines)
        return [event for event in events if event is not None]

    def _line(self, line: bytes) -> Event | None:
        try:
            command, *words = line.decode().split("\t")
        except UnicodeDecodeError:
            raise DovecotProtocolError("a line is not UTF-8") from None
        if not self._is_ready:
            return self._introduction(command, words)
        if command not in ("CONT", "OK", "FAIL"):
            return None
        number = _number(words)
        if number not in self._open:
            # Cancelled, or never ours.
            return None
        return self._answer(command, number, words[1:])

    def _introduction(self, command: str, words: list[str]) -> Ready | None:
        if command == "VERSION":
            if words[:1] != ["1"]:
                raise DovecotProtocolError("the server speaks another version")
            self._has_version = True
        elif command == "MECH" and words:
            if len(self._mechanisms) >= MAX_MECHANISMS:
                raise DovecotProtocolError("the server offers too many mechanisms")
            if "private" not in words[1:]:
                self._mechanisms.append(words[0].upper())
        elif command == "DONE":
            if not self._has_version:
                raise DovecotProtocolError("the server does not tell its version")
            self._is_ready = True
            return Ready(tuple(self._mechanisms))
        return None

    def _answer(self, command: str, number: int, words: list[str]) -> Event:
        if command == "CONT":
            return Continued(number, _decoded(words[0] if words else ""))
        self._open.discard(number)
        named = dict(_pair(word) for word in words)
        user = named.get("user", "")
        if command == "FAIL":
            return Failed(number, user, _code(named))
        if not user:
            raise DovecotProtocolError("the server names no user")
        return Passed(number, user, _decoded(named.get("resp", "")))

    def _new_id(self) -> int:
        while self._next_id in self._open:
            self._next_id = self._next_id % _LAST_ID + 1
        number = self._next_id
        self._next_id = number % _LAST_ID + 1
        self._open.add(number)
        return number


def _code(named: dict[str, str]) -> str:
    """Return why a sign-in failed, in the words of version 2.3 of Dovecot."""
    if "code" in named:
        return named["code"]
    older = {"temp": "temp_fail", "authz": "authz_fail"}
    words = (*older, "user_disabled", "pass_expired")
    return next((older.get(word, word) for word in words if word in named), "")


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, _unescaped(value)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _UNESCAPED.get(found[1], found[1]), text)


def _number(words: list[str]) -> int:
    if not words or not words[0].isascii() or not words[0].isdecimal() or len(words[0]) > 10:
        raise DovecotProtocolError("an answer has no number")
    return int(words[0])


def _encoded(response: bytes) -> str:
    if len(response) > MAX_RESPONSE:
        raise ValueError(f"a response has at most {MAX_RESPONSE} octets")
    return base64.b64encode(response).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DovecotProtocolError("a challenge is not base 64") from None
