from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from countersign.mail.lines import LineChecker
from countersign.protocol.data import ContentFault

_PIECES = st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"\0", b"a", b"abc", b"abcdefgh", b""]))


def _expected(text: bytes, max_line: int) -> set[ContentFault]:
    found = set()
    if re.search(rb"\r(?!\n)|(?<!\r)\n", text):
        found.add(ContentFault.BARE_LINE_ENDING)
    if b"\0" in text:
        found.add(ContentFault.NUL)
    if any(len(line) > max_line for line in text.split(b"\r\n")):
        found.add(ContentFault.LINE_TOO_LONG)
    return found


@given(pieces=_PIECES, max_line=st.integers(1, 12))
@example(pieces=[b"abc\r\nab", b"cd\r", b"\nabc"], max_line=4)
@example(pieces=[b"a\r\nabcde\r\na"], max_line=4)
def test_faults_are_found_wherever_the_pieces_are_cut(pieces: list[bytes], max_line: int) -> None:
    checker = LineChecker(max_line)
    for piece in pieces:
        checker.feed(piece)
    checker.finish()
    expected = _expected(b"".join(pieces), max_line)
    assert checker.fault in (expected or {None})
