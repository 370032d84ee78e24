"""What is known of a secondary: where it is, whom to tell, where it is notified; checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from countersign.registrar.operations.accounts import normalised_address
from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.particulars.text import clean_text
from countersign.storage.database.replication import SecondaryKind

MOST_ADDRESSES = 8
"""That one secondary is notified at."""
MAX_PLACE = 120
_FORM = "An address is written 192.0.2.1:53 or [2001:db8::1]:53"


@dataclass(frozen=True, slots=True)
class Details:
    """What may be changed of a secondary; see the columns of `Secondary`."""

    kind: SecondaryKind = SecondaryKind.SECONDARY
    place: str = ""
    contact: str = ""
    notify: Sequence[str] = ()
    ask: str = ""


def checked_details(work: Work, details: Details) -> Details:
    """Return details in standard form. Raises :class:`OperationError`."""
    try:
        place = clean_text(details.place)
    except ValueError as error:
        raise OperationError(str(error)) from None
    if len(place) > MAX_PLACE:
        raise OperationError(f"Name the place in at most {MAX_PLACE} characters.")
    if len(details.notify) > MOST_ADDRESSES:
        raise OperationError(f"At most {MOST_ADDRESSES} addresses are notified.")
    notify = tuple(dict.fromkeys(checked_endpoint(one) for one in details.notify))
    contact = normalised_address(work, details.contact) if details.contact.strip() else ""
    ask = checked_endpoint(details.ask) if details.ask.strip() else ""
    return Details(details.kind, place, contact, notify, ask)


def checked_endpoint(text: str) -> str:
    """Return an address with its port in the standard form. Raises :class:`OperationError`."""
    host, _, port = text.strip().rpartition(":")
    in_brackets = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if in_brackets else host)
    except ValueError:
        # The text is not quoted: it may be of any length, and anything.
        raise OperationError(f"{_FORM}: an IP address and a port.") from None
    # A scope ('%eth0') means something on one host only.
    if in_brackets != (address.version == 6) or getattr(address, "scope_id", None):
        raise OperationError(f"{_FORM}.")
    if address.is_unspecified or address.is_multicast:
        raise OperationError(f"{address} is the address of no single host.")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise OperationError(f"{_FORM}: a port is a number from 1 to 65535.")
    return f"[{address}]:{int(port)}" if in_brackets else f"{address}:{int(port)}"
