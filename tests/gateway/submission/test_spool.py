"""Content that waits until it is whole: the same octets come out, within the bounds."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.gateway.submission.incoming import HeaderTooBigError, Incoming
from countersign.gateway.submission.spool import IN_MEMORY, SpoolFullError, SpoolRoom


async def written(room: SpoolRoom, *pieces: bytes) -> bytes:
    spool = room.open()
    try:
        for piece in pieces:
            await spool.write(piece)
        return b"".join([piece async for piece in spool.pieces()])
    finally:
        spool.close()


@pytest.mark.parametrize("size", [0, 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY + 7])
async def test_what_was_written_is_read_and_the_room_is_given_back(
    tmp_path: Path, size: int
) -> None:
    room = SpoolRoom(tmp_path / "spool", disk=4 * IN_MEMORY)
    content = b"0123456789abcdef" * (size // 16 + 1)
    pieces = [content[:size][start : start + 60_000] for start in range(0, size, 60_000)]
    assert await written(room, *pieces) == content[:size]
    assert (room.in_memory, room.on_disk) == (0, 0)
    if size > IN_MEMORY:
        assert list((tmp_path / "spool").iterdir()) == [], "the file has no name"


async def test_memory_that_is_short_sends_bodies_to_files(tmp_path: Path) -> None:
    room = SpoolRoom(tmp_path / "spool", disk=1000, memory=100)
    first, second = room.open(), room.open()
    await first.write(b"x" * 80)
    await second.write(b"y" * 80)
    assert (room.in_memory, room.on_disk) == (80, 80)
    await second.write(b"z" * 10)
    assert b"".join([piece async for piece in second.pieces()]) == b"y" * 80 + b"z" * 10
    first.close()
    second.close()
    second.close()
    assert (room.in_memory, room.on_disk) == (0, 0)


async def test_the_disk_has_a_bound_for_all_together(tmp_path: Path) -> None:
    room = SpoolRoom(tmp_path / "spool", disk=1000, memory=0)
    first, second = room.open(), room.open()
    await first.write(b"x" * 600)
    with pytest.raises(SpoolFullError):
        await second.write(b"x" * 600)
    second.close()
    first.close()
    assert (room.in_memory, room.on_disk) == (0, 0)
    assert await written(room, b"x" * 1000) == b"x" * 1000


async def test_a_directory_that_cannot_be_made_is_no_room(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    room = SpoolRoom(tmp_path / "file", disk=1000, memory=0)
    spool = room.open()
    with pytest.raises(SpoolFullError):
        await spool.write(b"x")
    spool.close()
    assert (room.in_memory, room.on_disk) == (0, 0)


lines = st.lists(st.sampled_from([b"A: b\r\n", b" folded\r\n", b"\r\n", b"x\r\n"]), max_size=12)


@given(lines, st.data())
@settings(deadline=None)
def test_where_the_content_is_cut_changes_nothing(lines: list[bytes], data: st.DataObject) -> None:
    content = b"".join(lines)
    expected, separator, body = (b"\r\n" + content).partition(b"\r\n\r\n")
    header = (expected + b"\r\n")[2:] if separator else content
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(check(Path(directory), lines, header, body, data))


async def check(
    directory: Path, lines: list[bytes], header: bytes, body: bytes, data: st.DataObject
) -> None:
    memory = len(header) + data.draw(st.sampled_from([0, 10, 1000]))
    room = SpoolRoom(directory, disk=1000, memory=memory)
    incoming = Incoming(room.open(), max_header=1000)
    while lines:
        count = data.draw(st.integers(1, len(lines)))
        await incoming.feed(b"".join(lines[:count]))
        lines = lines[count:]
    incoming.finish()
    assert incoming.header == header
    assert b"".join([piece async for piece in incoming.body.pieces()]) == body
    canonical = body.rstrip(b"\r\n")
    canonical += b"\r\n" if canonical else b""
    assert incoming.body_hash == hashlib.sha256(canonical).digest()
    incoming.close()
    assert (room.in_memory, room.on_disk) == (0, 0)


async def test_header_sections_share_the_memory_too(tmp_path: Path) -> None:
    room = SpoolRoom(tmp_path, disk=1000, memory=100)
    first, second = (Incoming(room.open(), max_header=1000) for _ in range(2))
    await first.feed(b"A: b\r\n" * 15)
    with pytest.raises(SpoolFullError):
        await second.feed(b"A: b\r\n" * 15)
    first.close()
    second.close()
    assert room.in_memory == 0


async def test_a_header_without_an_end_is_not_kept(tmp_path: Path) -> None:
    incoming = Incoming(SpoolRoom(tmp_path, disk=1000).open(), max_header=100)
    await incoming.feed(b"A: b\r\n" * 16)
    with pytest.raises(HeaderTooBigError):
        await incoming.feed(b"A: b\r\n")
    incoming.close()
