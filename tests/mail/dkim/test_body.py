"""The body in relaxed form: as dkimpy has it, however it is cut, in bounded memory."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterable

import pytest
from dkim.canonicalization import Relaxed
from hypothesis import example, given
from hypothesis import strategies as st

from countersign.mail.dkim.body import BodyHasher

bodies = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b" ", b"\t", b"  ", b"a", b".", b"\0", b"\xc3\xa4"])
    | st.binary(max_size=5),
    max_size=60,
).map(b"".join)


def digest_of(pieces: Iterable[bytes]) -> bytes:
    hasher = BodyHasher()
    for piece in pieces:
        hasher.feed(piece)
    return hasher.digest()


@given(bodies)
@example(b"")
@example(b"\r\n\r\n")
@example(b" \t\r\n \r\n")
@example(b"a \r\r\n\n\r\n")
def test_whole_lines_are_hashed_as_another_implementation_does(body: bytes) -> None:
    whole = body + b"\r\n"
    assert digest_of([whole]) == hashlib.sha256(Relaxed.canonicalize_body(whole)).digest()


@given(bodies, st.data())
def test_it_is_no_matter_how_a_body_is_cut(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    ends = [*cuts, len(body)]
    pieces = [body[start:end] for start, end in zip([0, *cuts], ends, strict=True)]
    assert digest_of(pieces) == digest_of([body])
    assert digest_of(body[place : place + 1] for place in range(len(body))) == digest_of([body])


@given(bodies)
def test_a_body_without_its_last_line_end_is_hashed_as_if_it_had_it(body: bytes) -> None:
    if not body.endswith(b"\r"):
        assert digest_of([body]) == digest_of([body + b"\r\n"])


@given(bodies, bodies)
def test_a_digest_can_be_taken_on_the_way(first: bytes, second: bytes) -> None:
    hasher = BodyHasher()
    hasher.feed(first)
    assert hasher.digest() == digest_of([first])
    hasher.feed(second)
    assert hasher.digest() == digest_of([first + second])


def test_the_empty_body_has_the_digest_of_nothing() -> None:
    assert digest_of([]) == digest_of([b"\r\n" * 5000]) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("unit", [b" ", b"\t ", b"\r\n", b" \r\n", b"\r", b"\n", b"a", b" \r"])
@pytest.mark.parametrize("end", [b"x\r\n", b"\r\n"])
def test_a_large_body_of_one_thing_takes_little_memory_and_is_right(
    unit: bytes, end: bytes
) -> None:
    piece = unit * (48_000 // len(unit))
    times = 100
    whole = Relaxed.canonicalize_body(piece * 3 + end)
    assert digest_of([piece] * 3 + [end]) == hashlib.sha256(whole).digest()
    hasher = BodyHasher()
    tracemalloc.start()
    for _ in range(times):
        hasher.feed(piece)
    hasher.feed(end)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert hasher.digest() == digest_of([piece * times + end])
