from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iso11649

from countersign.registrar.money.reference import (
    find_references,
    format_reference,
    make_reference,
    parse_creditor_reference,
)

numbers = st.integers(1, 10**10 - 1)
separators = st.text(" -./\n\u00a0", max_size=2)


@given(numbers)
def test_a_reference_is_a_valid_creditor_reference_of_sixteen_characters(number: int) -> None:
    reference = make_reference(number)
    assert iso11649.is_valid(reference) and len(reference) == 16
    assert parse_creditor_reference(format_reference(reference)) == reference
    assert find_references(reference) == [number]


@given(numbers, st.data())
def test_a_reference_is_found_however_it_is_written(number: int, data: st.DataObject) -> None:
    written = "".join(
        character + data.draw(separators) for character in make_reference(number).lower()
    )
    before, after = data.draw(st.text(max_size=20)), data.draw(st.text(max_size=20))
    assert number in find_references(f"{before}\n{written}{after}")


@given(numbers, st.integers(0, 15), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_not_taken_for_another_invoice(
    number: int, place: int, digit: str
) -> None:
    reference = make_reference(number)
    wrong = reference[:place] + digit + reference[place + 1 :]
    assert find_references(wrong) in ([], [number])


def test_several_references_are_found_in_their_order_each_once() -> None:
    text = f"pay {make_reference(7)} and {make_reference(3)}, {make_reference(7)} 2026-01-01"
    assert find_references(text) == [7, 3]


def test_digits_that_follow_do_not_spoil_a_reference() -> None:
    assert find_references(make_reference(42) + "20260101") == [42]


@pytest.mark.parametrize("number", [0, -1, 10**10])
def test_numbers_out_of_bounds_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="invoice number"):
        make_reference(number)


@given(st.text(max_size=200))
def test_any_text_can_be_searched(text: str) -> None:
    assert isinstance(find_references(text), list)
    parse_creditor_reference(text)
