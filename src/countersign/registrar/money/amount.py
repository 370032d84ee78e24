"""Amounts of money: integers in the minor unit of an ISO 4217 currency."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import lru_cache

from babel.core import get_global
from babel.numbers import format_currency, format_decimal

LARGEST = 10**17
"""No amount is larger: it fits into 64 bits with room for sums."""

# ISO 4217 rather than Babel's figures: those follow the coins that are in use (none for RSD or
# LBP), while banks keep accounts, and send statements, in the units of the standard.
_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS_OF = {code: digits for digits, codes in _DIGITS.items() for code in codes.split()}


class AmountError(ValueError):
    """The text or number is no amount in this currency; the message says why."""


@lru_cache(maxsize=512)
def minor_digits(currency: str) -> int:
    """Return how many decimal digits a currency has. Raises :class:`AmountError`."""
    if currency not in get_global("all_currencies"):
        raise AmountError(f"{currency[:8]!r} is no ISO 4217 currency")
    return _DIGITS_OF.get(currency, 2)


def to_minor(amount: Decimal | str, currency: str) -> int:
    """Return an amount in the minor unit, exactly.

    Raises :class:`AmountError` if it is no finite number, has more decimal places than the
    currency (trailing zeros aside), or is too large.
    """
    digits = minor_digits(currency)
    try:
        number = Decimal(amount)
    except InvalidOperation:
        raise AmountError("not a number") from None
    # Looked at before any arithmetic: a number like 1E+999999999 must not be written out, and
    # one of more than 28 digits would be rounded.
    if not number.is_finite() or number.adjusted() > 18 or len(number.as_tuple().digits) > 28:
        raise AmountError("too large, or not a number")
    minor = number.scaleb(digits)
    whole = int(minor)
    if minor != whole:
        raise AmountError(f"{currency} has {digits} decimal places, the amount has more")
    if abs(whole) > LARGEST:
        raise AmountError("too large")
    return whole


def to_decimal(minor: int, currency: str) -> Decimal:
    """Return an amount as a decimal number of the main unit, with the currency's decimals."""
    return Decimal(minor).scaleb(-minor_digits(currency))


def format_amount(minor: int, currency: str, locale: str = "en") -> str:
    """Return an amount as people read it, led by the currency's code: ``USD 2,500.00``.

    The code, not a sign: there are many dollars. The space does not break.
    """
    pattern = f"¤¤\u00a0{_pattern(currency)}"
    return format_currency(
        to_decimal(minor, currency), currency, pattern, locale, currency_digits=False
    )


def format_number(minor: int, currency: str, locale: str = "en") -> str:
    """Return an amount without its currency, for columns that say it in their head."""
    return format_decimal(to_decimal(minor, currency), _pattern(currency), locale)


def _pattern(currency: str) -> str:
    digits = minor_digits(currency)
    return "#,##0" + ("." + "0" * digits if digits else "")
