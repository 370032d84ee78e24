"""What the zone can have: whatever else the database holds is left out, and the log says so.

One row that cannot be published must not keep all others from it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import structlog

from countersign.mail.dkim.key_record import MAX_RECORD, normalise_selector
from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registry.file import parse_pin
from countersign.registry.zone.content import can_list, can_sign

log = structlog.get_logger()


def can_be_listed(hostname: str, zone: str) -> bool:
    """Tell whether the zone can have a host name at all."""
    try:
        return normalise_hostname(hostname) == hostname and can_list(hostname, zone)
    except AddressSyntaxError:
        return False


def is_good_server(hostname: str, pins: Iterable[str], zone: str) -> bool:
    """Tell whether gateways can read an entry; one that they cannot is left out whole."""
    good = can_be_listed(hostname, zone) and all(_is_pin(pin) for pin in pins)
    if not good:
        log.error("server left out of the zone", host=hostname)
    return good


def _is_pin(text: str) -> bool:
    # An unreadable pin must not weaken the check to 'no pin'.
    try:
        parse_pin(text)
    except ValueError:
        return False
    return True


def is_good_key(hostname: str, selector: str, content: str, zone: str) -> bool:
    """Tell whether a signing key can be in the zone; another is left out."""
    good = (
        _is_selector(selector)
        and len(content) <= MAX_RECORD
        and content.isascii()
        and can_sign(hostname, selector, zone)
    )
    if not good:
        log.error("signing key left out of the zone", host=hostname, selector=selector)
    return good


def _is_selector(text: str) -> bool:
    try:
        return normalise_selector(text) == text
    except ValueError:
        return False


def is_address(text: str) -> bool:
    """Tell whether an address is written as it must be; another is left out."""
    try:
        address = ipaddress.ip_address(text)
        good = getattr(address, "scope_id", None) is None
    except ValueError:
        good = False
    if not good:
        log.error("address left out of the zone", address=text)
    return good
