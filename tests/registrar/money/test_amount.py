from __future__ import annotations

from decimal import Decimal

import pytest

from countersign.registrar.money.amount import AmountError, format_amount, to_decimal, to_minor


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (250_000, "USD", "USD 2,500.00"),
        (250_000, "JPY", "JPY 250,000"),
        (1005, "KWD", "KWD 1.005"),
        (-50, "EUR", "-EUR 0.50"),
        (10**17, "USD", "USD 1,000,000,000,000,000.00"),
        (10_050, "RSD", "RSD 100.50"),
    ],
)
def test_amounts_are_written_with_code_and_decimals(minor: int, currency: str, text: str) -> None:
    assert format_amount(minor, currency).replace("\u00a0", " ") == text


def test_amounts_follow_the_readers_custom() -> None:
    assert format_amount(250_000, "EUR", "de").replace("\u00a0", " ") == "EUR 2.500,00"


@pytest.mark.parametrize("number", ["1.001", "NaN", "Infinity", "1E+999999999", "1" * 30, "x"])
def test_numbers_that_are_no_amount_are_refused(number: str) -> None:
    with pytest.raises(AmountError):
        to_minor(number, "USD")


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(AmountError, match="XXQ"):
        to_minor("1", "XXQ")


def test_decimals_are_exact() -> None:
    assert to_minor("0.10", "USD") + to_minor("0.20", "USD") == to_minor("0.30", "USD")
    assert to_decimal(1, "USD") == Decimal("0.01")
