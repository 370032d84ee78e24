"""The payment reference of an invoice: an ISO 11649 creditor reference.

``RF``, two check digits, ``CS`` and the invoice number in ten digits: 16 characters, so that it
fits into every bank's reference field, and of fixed length, so that it is found in free text
whatever stands around it.
"""

from __future__ import annotations

import re
import unicodedata

from stdnum import iso11649
from stdnum.iso7064 import mod_97_10

LARGEST_NUMBER = 10**10 - 1
MAX_TEXT = 20_000
"""Characters of a text that are searched."""
_MARK = "CS"
_BETWEEN = r"[\s\-.,/:_]{0,3}"
# A look-ahead, so that a reference that begins inside a failed one is found too.
_REFERENCE = re.compile(
    "(?=(" + _BETWEEN.join(["R", "F", "[0-9]", "[0-9]", *_MARK, *["[0-9]"] * 10]) + "))"
)
_NOT_REFERENCE = re.compile(r"[^A-Z0-9]")


def make_reference(number: int) -> str:
    """Return the reference of an invoice number, without spaces.

    Raises :class:`ValueError` unless 1 ≤ number ≤ 9,999,999,999.
    """
    if not 1 <= number <= LARGEST_NUMBER:
        raise ValueError("an invoice number has 1 to 10 digits")
    body = f"{_MARK}{number:010d}"
    return f"RF{mod_97_10.calc_check_digits(body + 'RF')}{body}"


def format_reference(reference: str) -> str:
    """Return a reference in groups of four, as it is printed (ISO 11649)."""
    return iso11649.format(reference)


def parse_creditor_reference(text: str) -> str | None:
    """Return any ISO 11649 reference, anybody's, without separators; None if it is none."""
    if len(text) > 100 or not text.isascii() or not iso11649.is_valid(text):
        return None
    return iso11649.compact(text)


def find_references(text: str) -> list[int]:
    """Return the invoice numbers whose references a text holds, each once, in their order.

    Case does not matter; up to three spaces, line ends or punctuation marks may stand between
    two characters. References with wrong check digits are passed over.
    """
    plain = unicodedata.normalize("NFKC", text[:MAX_TEXT]).upper()
    numbers: dict[int, None] = {}
    for match in _REFERENCE.finditer(plain):
        reference = _NOT_REFERENCE.sub("", match[1])
        number = int(reference[-10:])
        if number and iso11649.is_valid(reference):
            numbers[number] = None
    return list(numbers)
