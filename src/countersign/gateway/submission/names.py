"""Whom a client's SASL message names, as far as it can be told before a source is asked."""

from __future__ import annotations

from countersign.protocol.sasl import SaslSyntaxError, parse_name, parse_plain, scram_name


def named_user(mechanism: str, first: bytes) -> str:
    """Return the name in the first message that a client sent; empty: there is none to be read."""
    try:
        if mechanism == "PLAIN":
            return parse_plain(first).user
        if mechanism.startswith("SCRAM-"):
            return scram_name(first)
        return parse_name(first)
    except SaslSyntaxError:
        return ""


def is_guess(mechanism: str, number: int) -> bool:
    """Tell whether a client's message, by its number from 0, is where its password is judged."""
    return mechanism == "PLAIN" or number > 0
