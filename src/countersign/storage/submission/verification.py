"""Following the journal's chain. Pure."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from countersign.storage.submission.chain import BEGINNING, Row, chain_value


@dataclass(frozen=True, slots=True)
class Head:
    """A row of the chain by its number and chain value, as it is kept elsewhere."""

    number: int = 0
    chain: bytes = BEGINNING
    at: float = 0.0
    """The row's time, Unix seconds; 0: not known."""

    def __str__(self) -> str:
        """Write it as ``NUMBER:HEX``."""
        return f"{self.number}:{self.chain.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read ``NUMBER:HEX``. Raises :class:`ValueError`."""
        match = re.fullmatch(r"([0-9]{1,18}):([0-9a-fA-F]{64})", text.strip())
        if match is None:
            raise ValueError("a head is written NUMBER:HEX, with 64 hexadecimal digits")
        return cls(int(match[1]), bytes.fromhex(match[2]))


class Remembered(StrEnum):
    """What the chain says of a head that was kept elsewhere."""

    NOT_ASKED = "not-asked"
    FOUND = "found"
    MISSING = "missing"
    """The chain had a row that is not there any more: it was cut or written anew."""
    OLDER = "older"
    """It is older than what is kept: nothing can be said."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What following the chain found."""

    anchor: Head
    head: Head
    """The last row that fits."""
    rows: int
    """Rows that fit."""
    bad: int | None
    """Number of the first row that does not fit, or is missing."""
    reason: str
    remembered: Remembered

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing was found: neither a bad row nor a remembered head gone."""
        return self.bad is None and self.remembered is not Remembered.MISSING


class Verifier:
    """Takes the rows page by page; :meth:`feed` with an empty page ends it."""

    def __init__(self, anchor: Head, remembered: Head | None = None) -> None:
        """Begin after the anchor. remembered: a head that was kept elsewhere."""
        self._anchor = self._last = anchor
        self._remembered = remembered
        self._state = Remembered.NOT_ASKED if remembered is None else Remembered.MISSING
        if remembered is not None and remembered.number < anchor.number:
            self._state = Remembered.OLDER
        self._compare()
        self._bad: int | None = None
        self._reason = ""
        self.rows = 0
        self.is_over = False

    @property
    def number(self) -> int:
        """The last row that was read."""
        return self._last.number

    @property
    def first(self) -> int:
        """The first row that is kept."""
        return self._anchor.number + 1

    def feed(self, anchor: Head, rows: Iterable[tuple[int, object, Row]]) -> None:
        """Take the anchor as it now is and the next (number, chain value, row) after it."""
        if anchor.number > self._last.number:
            # Swept meanwhile: what comes next follows on the anchor.
            self._anchor = self._last = anchor
            if self._state is Remembered.MISSING and self._is_before(anchor):
                self._state = Remembered.OLDER
            self._compare()
        self.is_over = True
        for number, chain, row in rows:
            self.is_over = False
            if not self._fits(number, chain, row):
                self.is_over = True
                return

    def result(self) -> Verification:
        """Return what was found."""
        return Verification(
            self._anchor, self._last, self.rows, self._bad, self._reason, self._state
        )

    def _fits(self, number: int, chain: object, row: Row) -> bool:
        expected = self._last.number + 1
        if number != expected:
            self._bad, self._reason = expected, "it is missing"
            return False
        try:
            value = chain_value(self._last.chain, number, row)
        except (TypeError, ValueError, AttributeError, struct.error):
            # SQLite lets any type stand in any column.
            value = b""
        if not isinstance(chain, bytes) or value != chain:
            self._bad = number
            self._reason = "it was changed, put in, or follows on another row than it did"
            return False
        self._last = Head(number, chain, row.at)
        self.rows += 1
        self._compare()
        return True

    def _is_before(self, anchor: Head) -> bool:
        return self._remembered is not None and self._remembered.number < anchor.number

    def _compare(self) -> None:
        if self._remembered is not None and self._remembered.number == self._last.number:
            same = self._remembered.chain == self._last.chain
            self._state = Remembered.FOUND if same else Remembered.MISSING
