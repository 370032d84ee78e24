from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.registrar.money.csv_export import Cell, stream_csv


def written(*rows: tuple[Cell, ...], byte_order_mark: bool = False) -> bytes:
    header = [f"c{number}" for number in range(len(rows[0]))]
    return b"".join(stream_csv(header, rows, byte_order_mark=byte_order_mark))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_begins_like_a_formula_is_guarded(start: str) -> None:
    [_, [cell]] = csv.reader(io.StringIO(written((f"{start}1+1",)).decode(), newline=""))
    assert cell == f"'{start}1+1"


def test_a_header_is_guarded_too() -> None:
    assert b"".join(stream_csv(["=A1"], [])) == b"'=A1\r\n"


def test_numbers_stay_numbers_and_dates_are_iso() -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    row = (-5, Decimal("-0.10"), Decimal("1E+3"), True, None, date(2026, 3, 1), moment)
    lines = written(row).split(b"\r\n")
    assert lines[1] == b"-5,-0.10,1000,true,,2026-03-01,2026-03-01T12:00:00+00:00"


def test_lines_end_as_rfc_4180_says_and_the_mark_is_optional() -> None:
    assert written(("a,b", 'c"d')) == b'c0,c1\r\n"a,b","c""d"\r\n'
    assert written(("a",), byte_order_mark=True).startswith(b"\xef\xbb\xbfc0")


def test_a_row_of_the_wrong_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="3 cells"):
        list(stream_csv(["a", "b"], [("1", "2", "3")]))


def test_rows_are_read_one_by_one_as_the_file_is_sent() -> None:
    taken = 0

    def rows() -> object:
        nonlocal taken
        for number in range(100_000):
            taken = number
            yield (number, "x" * 20)

    stream = stream_csv(["n", "x"], rows())  # type: ignore[arg-type]
    first = next(stream)
    assert 32 * 1024 <= len(first) < 64 * 1024
    assert taken < 2000
    assert len(b"".join((first, *stream)).splitlines()) == 100_001


@given(st.lists(st.tuples(st.text(), st.integers()), max_size=5))
def test_any_text_survives_but_for_the_guard(rows: list[tuple[str, int]]) -> None:
    text = b"".join(stream_csv(["a", "b"], rows)).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert len(read) == len(rows)
    for (cell, number), (first, second) in zip(rows, read, strict=True):
        plain = cell.encode("utf-8", "replace").decode()
        assert first in (plain, f"'{plain}") and int(second) == number
        assert not first.startswith(tuple("=+-@\t\r"))
