"""What came back from a server: a reply, or why there is none. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeGuard

from countersign.certification.outcome import printable
from countersign.protocol.reply import Reply


class Trouble(StrEnum):
    """Why there is no reply. The value completes 'the server …'."""

    TIMED_OUT = "did not answer in time"
    CLOSED = "closed the connection"
    REFUSED = "refused the connection"
    NO_ROUTE = "cannot be reached from here"
    TLS_FAILED = "did not complete the TLS handshake"
    UNASKED = "said something that nothing asked for"
    NOT_SMTP = "answered what is no SMTP reply"


Said = Reply | Trouble


def is_accepted(said: Said | None) -> TypeGuard[Reply]:
    """Tell whether a command was accepted (2yz)."""
    return isinstance(said, Reply) and said.is_positive


def is_refused(said: Said | None) -> TypeGuard[Reply]:
    """Tell whether a command was refused for good (5yz)."""
    return isinstance(said, Reply) and said.is_permanent


def is_put_off(said: Said | None) -> TypeGuard[Reply]:
    """Tell whether a command was answered with 'later' (4yz), on a connection that goes on."""
    return isinstance(said, Reply) and said.is_transient and not is_lost(said)


def is_lost(said: Said | None) -> bool:
    """Tell whether the connection is of no more use: trouble, or 421."""
    return isinstance(said, Trouble) or (isinstance(said, Reply) and said.code == 421)


def words(said: Said) -> str:
    """Complete 'the server …'."""
    if isinstance(said, Trouble):
        return said.value
    return f"answered “{printable(str(said)[:200])}”"


def is_policy(said: Said | None) -> TypeGuard[Reply]:
    """Tell whether something was refused for reasons of policy (RFC 3463: X.7)."""
    return is_refused(said) and said.enhanced.startswith("5.7.")


_OF_THIS_COMMAND = re.compile(r"<[^>]*>|\S+@\S+|[0-9]+")


def shape(said: Said | None) -> str:
    """Return a refusal without what it repeats of the command; empty: it is none."""
    if not is_refused(said):
        return ""
    return f"{said.code} {said.enhanced} {_OF_THIS_COMMAND.sub('', said.text)}".lower()
