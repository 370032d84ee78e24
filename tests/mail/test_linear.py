"""What is done with a header section takes as long as it is: one message blocks no worker."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

from countersign.mail.dkim.header import choose, relaxed_field
from countersign.mail.lines import LineChecker
from countersign.mail.stamp import FIELD_NAME, StampError, parse_stamp
from countersign.mail.stamp_search import find_stamps
from countersign.mail.submitted import HeaderFaultError, complete_header
from countersign.mail.trace import HeaderRewriter, split_fields, without_forged_results
from tests.mail.test_submitted import AT

US = "mx.example.org"
RESULTS = b"Authentication-Results: "
SMALL = 64 * 1024
"""Octets; a header section may have four times as many."""
# Twice as much takes twice as long where time is linear, and four times where it is quadratic.
MOST = 3.0

Work = Callable[[bytes], object]


def rewrite(header: bytes) -> None:
    rewriter = HeaderRewriter(b"Added: 1\r\n", US, max_header=1_000_000)
    for start in range(0, len(header), 1000):
        rewriter.feed(header[start : start + 1000])
    rewriter.feed(b"\r\n")


def forge(header: bytes) -> None:
    without_forged_results(header, US)


def complete(header: bytes) -> None:
    try:
        complete_header(header, hostname=US, unique="1", at=AT)
    except HeaderFaultError:
        return


def sign(header: bytes) -> None:
    _, chosen = choose(split_fields(header))
    for field in chosen:
        relaxed_field(field)


def check_lines(header: bytes) -> None:
    checker = LineChecker()
    for start in range(0, len(header), 10):
        checker.feed(header[start : start + 10])


def read_stamp(header: bytes) -> None:
    try:
        parse_stamp(header.decode("latin-1"))
    except StampError:
        return


WORKS: list[Work] = [
    forge,
    rewrite,
    split_fields,
    complete,
    sign,
    check_lines,
    read_stamp,
    find_stamps,
]


def forged(noise: bytes, size: int) -> bytes:
    return RESULTS + noise * (size // len(noise)) + b" mx.example.org; x=y\r\n"


HEADERS: dict[str, Callable[[int], bytes]] = {
    "nested comments": lambda size: (
        RESULTS + b"(" * (size // 2) + b")" * (size // 2) + b" mx.example.org; x=y\r\n"
    ),
    "comments never closed": lambda size: forged(b"(", size),
    "comments side by side": lambda size: forged(b"()", size),
    "escapes": lambda size: forged(b"\\", size),
    "quotes": lambda size: forged(b'"a', size),
    "digits": lambda size: RESULTS + b"1" * size + b'"mx.example.org\r\n',
    "folds": lambda size: b"Subject: a\r\n" + b" \r\n" * (size // 3),
    "folded results": lambda size: forged(b"\r\n ", size),
    "spaces": lambda size: b"Subject" + b" " * size + b"x\r\n",
    "small fields": lambda size: b"a:\r\n" * (size // 4),
    "small results": lambda size: forged(b"(", 0) * (size // 45),
    "stamps": lambda size: f"{FIELD_NAME}: v=1\r\n".encode() * (size // 24),
    "a long stamp": lambda size: FIELD_NAME.encode() + b": v=1; user=" + b"a " * (size // 2),
    "quoted": lambda size: b"> " * (size // 2) + FIELD_NAME.encode() + b":",
}


def seconds(work: Work, header: bytes) -> float:
    started = time.thread_time()
    work(header)
    return time.thread_time() - started


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
@pytest.mark.parametrize("kind", HEADERS)
def test_twice_the_header_takes_twice_the_time(work: Work, kind: str) -> None:
    small, big = HEADERS[kind](SMALL), HEADERS[kind](2 * SMALL)
    # The quickest of several: other processes only make it slower. What is done in no time may
    # take any time for twice as much.
    for _ in range(5):
        gc.collect()
        once = min(seconds(work, small) for _ in range(5))
        twice = min(seconds(work, big) for _ in range(5))
        if twice < 0.002 or twice <= MOST * once:
            return
    pytest.fail(f"{once:.4f} s, and {twice:.4f} s for twice as much")
