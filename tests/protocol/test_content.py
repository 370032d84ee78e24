"""Content on the wire: every smuggling form, at every boundary (DESIGN §11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.protocol.data import ContentFault, ContentReader, ContentWriter

END = b"\r\n.\r\n"
FALSE_ENDS = {
    "LF.LF": b"\n.\n",
    "CR.CR": b"\r.\r",
    "CR.LF": b"\r.\n",
    "LF.CR": b"\n.\r",
    "LF.CRLF": b"\n.\r\n",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CRLF.CR": b"\r\n.\r",
    "NUL before": b"\r\n\0.\r\n",
    "NUL after": b"\r\n.\0\r\n",
    "CRLF.CR CRLF": b"\r\n.\r\r\n",
    "CR CRLF.CR CRLF": b"\r\r\n.\r\r\n",
}


def read(pieces: list[bytes], **limits: int) -> tuple[bytes, ContentReader]:
    reader = ContentReader(
        max_line=limits.get("max_line", 998), max_size=limits.get("max_size", 10**9)
    )
    content = b""
    for number, piece in enumerate(pieces):
        content += reader.feed(piece)
        if reader.finished:
            reader.leftover += b"".join(pieces[number + 1 :])
            break
    return content, reader


@pytest.mark.parametrize("name", FALSE_ENDS)
def test_a_false_end_ends_nothing_wherever_it_is_cut(name: str) -> None:
    smuggled = b"Subject: one\r\n\r\nhello" + FALSE_ENDS[name] + b"MAIL FROM:<evil@x.example>\r\n"
    wire = smuggled + b"RCPT TO:<victim@x.example>" + END + b"QUIT\r\n"
    for cut in range(1, len(wire)):
        content, reader = read([wire[:cut], wire[cut:]])
        assert reader.finished
        assert reader.leftover == b"QUIT\r\n"
        assert reader.fault in (ContentFault.BARE_LINE_ENDING, ContentFault.NUL)
        assert b"MAIL FROM" not in content


@given(
    st.lists(st.binary(max_size=40).filter(lambda line: not set(line) & {0, 10, 13}), max_size=12),
    st.data(),
)
def test_writing_and_reading_is_the_identity_however_it_is_cut(
    lines: list[bytes], data: st.DataObject
) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    writer, wire, rest = ContentWriter(), b"", content
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        wire += writer.write(rest[:size])
        rest = rest[size:]
    wire += writer.end() + b"NOOP\r\n"
    pieces = []
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        pieces.append(wire[:size])
        wire = wire[size:]
    received, reader = read(pieces)
    assert (received, reader.fault, reader.leftover) == (content, None, b"NOOP\r\n")
    assert reader.size >= len(content)


@given(
    st.binary(max_size=200).map(lambda raw: raw.replace(b"a", b"\r\n").replace(b"b", b"\r\n.")),
    st.data(),
)
def test_cutting_changes_nothing(raw: bytes, data: st.DataObject) -> None:
    wire = raw + END
    whole = read([wire], max_line=20)
    cut = data.draw(st.integers(0, len(wire)))
    parts = read([wire[:cut], wire[cut:]], max_line=20)
    assert parts[1].finished == whole[1].finished
    assert parts[1].leftover == whole[1].leftover
    assert (parts[1].fault is None) == (whole[1].fault is None)
    if whole[1].fault is None:
        assert parts[0] == whole[0]


def test_an_endless_line_takes_no_memory_and_the_true_end_is_found() -> None:
    reader = ContentReader(max_line=998, max_size=10**9)
    for _ in range(2000):
        assert reader.feed(b"x" * 5000) == b""
        assert len(reader._tail) < 1010
    assert reader.fault is ContentFault.LINE_TOO_LONG
    # A dot after the cut-off line's remains is not at a line's start.
    reader.feed(b".\r\n")
    assert not reader.finished
    reader.feed(b".\r\n")
    assert reader.finished


def test_limits() -> None:
    assert read([b"x" * 998 + END])[1].fault is None
    assert read([b"x" * 999 + END])[1].fault is ContentFault.LINE_TOO_LONG
    assert read([b"x\r\n" * 40 + END], max_size=100)[1].fault is ContentFault.TOO_BIG
    assert read([b".\r\n"])[1].finished
