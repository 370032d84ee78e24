"""Command lines of SMTP and LMTP: from octets to values (RFC 5321 §4.1, RFC 2033)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from countersign.protocol.address import AddressSyntaxError, Mailbox, parse_path
from countersign.protocol.reply import Reply

_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\s=\x00-\x1f\x7f]+))?\Z")
MAX_PARAMETERS = 20


class CommandSyntaxError(ValueError):
    """The line is no command, or its argument is wrong; the message is fit for the reply."""


class CommandRefusedError(Exception):
    """The command is well formed but not taken now, or not at all."""

    def __init__(self, answer: Reply) -> None:
        """``answer``: what the client is told."""
        super().__init__(str(answer))
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Envelope:
    """The argument of MAIL or RCPT."""

    mailbox: Mailbox | None
    """None: the null reverse-path ``<>``."""
    raw_path: str
    """The path as written, with its brackets, for passing on unchanged."""
    parameters: dict[str, str | None] = field(default_factory=dict)
    """ESMTP parameters by upper-case keyword; None where there is no value."""

    @property
    def parameter_text(self) -> str:
        """The parameters as they are written on the wire, with a space before each."""
        return "".join(
            f" {name}" if value is None else f" {name}={value}"
            for name, value in self.parameters.items()
        )


def split_command(line: bytes) -> tuple[str, str]:
    """Return (upper-case verb, argument without surrounding spaces).

    Raises :class:`CommandSyntaxError` for octets that are not UTF-8, or control characters.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandSyntaxError("Not valid UTF-8") from None
    if not text.isprintable() and any(character < " " or character == "\x7f" for character in text):
        raise CommandSyntaxError("Control character in a command")
    verb, _, argument = text.partition(" ")
    return verb.upper(), argument.strip(" ")


def parse_envelope(argument: str, keyword: str) -> Envelope:
    """Parse ``FROM:<path> [parameters]`` or ``TO:<path> [parameters]``.

    ``keyword`` is ``FROM`` or ``TO``. Raises :class:`CommandSyntaxError`.
    """
    if argument[: len(keyword) + 1].upper() != f"{keyword}:":
        raise CommandSyntaxError(f"Syntax: {keyword}:<address>")
    rest = argument[len(keyword) + 1 :].lstrip(" ")
    end = _end_of_path(rest)
    raw_path = rest[: end + 1]
    try:
        mailbox = parse_path(raw_path[1:-1])
    except AddressSyntaxError as error:
        raise CommandSyntaxError(f"Bad address: {error}") from None
    if mailbox is None and keyword == "TO":
        raise CommandSyntaxError("A recipient cannot be empty")
    return Envelope(mailbox, raw_path, _parse_parameters(rest[end + 1 :]))


def _end_of_path(text: str) -> int:
    """Return where the closing bracket is: outside a quoted local part."""
    if not text.startswith("<"):
        raise CommandSyntaxError("An address is written in angle brackets")
    quoted = escaped = False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == ">" and not quoted:
            return index
    raise CommandSyntaxError("The closing bracket of the address is missing")


def _parse_parameters(text: str) -> dict[str, str | None]:
    if text and not text.startswith(" "):
        raise CommandSyntaxError("A space is missing after the address")
    words = text.split()
    if len(words) > MAX_PARAMETERS:
        raise CommandSyntaxError("Too many parameters")
    parameters: dict[str, str | None] = {}
    for word in words:
        match = _PARAMETER.match(word)
        if match is None or match[1].upper() in parameters:
            raise CommandSyntaxError("Bad parameter")
        parameters[match[1].upper()] = match[2]
    return parameters
