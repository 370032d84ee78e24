"""What the records of one name of the list say (RFC 5782 §2.2, DESIGN §7): by copy or by DNS.

TXT: ``v=countersign1; pin=3 1 1 HEX; since=DATE; reason=…``, or any text, which is then the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from countersign.registry.file import parse_pin
from countersign.registry.lookup import KeyPin, RegistryUnavailableError, Standing
from countersign.registry.zone.content import LISTED, VERSION

Field = tuple[str, str]
"""Name and value."""


class Facts(NamedTuple):
    """What is said of a server."""

    standing: Standing
    pins: tuple[KeyPin, ...] = ()
    reason: str = ""


ABSENT = Facts(Standing.ABSENT)


def facts_of(addresses: Collection[bytes], texts: Iterable[bytes]) -> Facts:
    """Return what the records of a server's name say; none of them: it is absent.

    addresses: of the A records, four octets each; texts: one for each TXT record, its strings
    joined. Raises :class:`RegistryUnavailableError` where they are neither 'yes' nor 'no'.
    """
    if any(address != LISTED for address in addresses):
        raise RegistryUnavailableError("the list has a code that is no listing")
    fields = [field for text in texts for field in _fields_of(text)]
    says_why = any(name in ("since", "reason") for name, _ in fields)
    if addresses:
        if any(name == "since" for name, _ in fields):
            raise RegistryUnavailableError(_CONTRADICTION)
        return Facts(Standing.REGISTERED, _pins_of(fields))
    if not fields:
        return ABSENT
    if not says_why:
        # A resolver may know the TXT record already, and still say that there is no A record.
        raise RegistryUnavailableError(_CONTRADICTION)
    return Facts(Standing.SUSPENDED, reason=_reason_of(fields))


_CONTRADICTION = "the list's records of the name contradict each other: one of them is old"


def _fields_of(octets: bytes) -> list[Field]:
    text = octets.decode("utf-8", "replace")
    parts = text.split(";")
    if parts[0].strip() != VERSION:
        if text.startswith(VERSION[:-1]):
            # It might hold a pin, which must not be passed over.
            raise RegistryUnavailableError("the list's text is of a version that is not known")
        return [("reason", text)]
    fields = [("v", VERSION)]
    for part in parts[1:]:
        name, _, value = part.strip().partition("=")
        fields.append((name.lower(), value.strip()))
    return fields


def _pins_of(fields: Iterable[Field]) -> tuple[KeyPin, ...]:
    try:
        return tuple(parse_pin(value) for name, value in fields if name == "pin")
    except ValueError as error:
        # An unreadable pin must not weaken the check to 'no pin'.
        raise RegistryUnavailableError(f"the list holds a bad pin: {error}") from None


def _reason_of(fields: Iterable[Field]) -> str:
    return next((value for name, value in fields if name == "reason"), "")
