"""What the TXT records of the name list say (RFC 5782 §2.2, DESIGN §7).

``v=countersign1; pin=3 1 1 HEX; reason=…``, or any text, which is then the reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from countersign.registry.file import parse_pin
from countersign.registry.lookup import KeyPin, RegistryUnavailableError

LISTED = "127.0.0.2"
VERSION = "v=countersign1"
MAX_TEXT = 4096
"""Octets of one record that are read."""


def fields_of(texts: Iterable[bytes]) -> list[tuple[str, str]]:
    """Return (name, value) of all fields; texts: one for each record, its strings joined."""
    fields = []
    for octets in texts:
        text = octets[:MAX_TEXT].decode("utf-8", "replace")
        if not text.startswith(VERSION):
            fields.append(("reason", text))
            continue
        for part in text.split(";"):
            name, _, value = part.strip().partition("=")
            fields.append((name.lower(), value.strip()))
    return fields


def pins_of(fields: Iterable[tuple[str, str]]) -> tuple[KeyPin, ...]:
    """Return the pins. Raises :class:`RegistryUnavailableError` if one cannot be read."""
    try:
        return tuple(parse_pin(value) for name, value in fields if name == "pin")
    except ValueError as error:
        # An unreadable pin must not weaken the check to 'no pin'.
        raise RegistryUnavailableError(f"the list holds a bad pin: {error}") from None


def reason_of(fields: Iterable[tuple[str, str]]) -> str:
    """Return why a server is suspended; empty: nothing is said."""
    return next((value for name, value in fields if name == "reason"), "")
