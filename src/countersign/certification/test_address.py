"""Addresses of the test mailbox: each names one message, and can be guessed by nobody. Pure.

`r-MARK-NUMBER@V` is a recipient through which a server might relay; `b-MARK-NUMBER@V` is the
sender of the same message, to which a bounce would come. Only letters, digits and hyphens: the
relay forms put them into paths where anything else would be in the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

MARK_LENGTH = 16
NUMBER_LENGTH = 16
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
"""Base 32, as it stands in local parts of whatever case."""

_ADDRESS = re.compile(
    rf"([rbs])-([{ALPHABET}]{{{MARK_LENGTH}}})(?:-([{ALPHABET}]{{{NUMBER_LENGTH}}}))?"
)


class Kind(StrEnum):
    """What mail to a test address proves. The value is the letter in the local part."""

    RELAYED = "r"
    """The server under test passed a stranger's message on."""
    BOUNCED = "b"
    """It took a message and sent a bounce to the sender that it was given."""
    SENDING = "s"
    """Its owner let it send a message, so that it is seen how it proves itself as a sender."""


@dataclass(frozen=True, slots=True)
class TestAddress:
    """The local part of a test address."""

    __test__ = False

    kind: Kind
    mark: str
    """Of the order, or of the sending test; `MARK_LENGTH` characters."""
    number: str = ""
    """Of one message; `NUMBER_LENGTH` characters. Empty for a sending test."""

    def __str__(self) -> str:
        return "-".join(part for part in (self.kind, self.mark, self.number) if part)


def read(local_part: str) -> TestAddress | None:
    """Return what a local part names, whatever its case; None: it is no test address."""
    match = _ADDRESS.fullmatch(local_part.lower())
    if match is None or (match[3] is None) != (match[1] == Kind.SENDING):
        return None
    return TestAddress(Kind(match[1]), match[2], match[3] or "")
