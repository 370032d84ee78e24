"""The journal: found by its IDs, compact, in a chain that shows what was done to it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.mail.stamp import new_id
from countersign.storage.submission.chain import entry_of, message_row, pack_id, unpack_id
from countersign.storage.submission.entries import Entry, Found, Front
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.verification import Head, Remembered, Verification
from tests.storage.submission.messages import NOW, entry


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    made = Journal(tmp_path)
    yield made
    await made.aclose()


async def filled(journal: Journal, count: int = 20) -> list[Entry]:
    entries = [entry(NOW + number) for number in range(count)]
    for one in entries:
        await journal.append(one)
    return entries


async def test_a_message_is_found_by_its_id_in_any_case(journal: Journal) -> None:
    one, *_ = await filled(journal)
    assert await journal.find(one.id) == Found(one, None)
    assert await journal.find(one.id.upper()) == Found(one, None)


async def test_a_refusal_is_noted_beside_its_message(journal: Journal) -> None:
    one, two, *_ = await filled(journal)
    await journal.refused(one.id, NOW + 99)
    assert await journal.find(one.id) == Found(one, NOW + 99)
    assert await journal.find(two.id) == Found(two, None)


@pytest.mark.parametrize("text", ["", "a" * 26 + "a", "1" * 26, "é" * 26, "b" * 26, "a" * 25])
async def test_what_is_no_id_is_not_found_and_not_written(journal: Journal, text: str) -> None:
    assert await journal.find(text) is None
    with pytest.raises(ValueError, match="26 characters"):
        await journal.append(entry(id=text))
    assert (await journal.head()).number == 0


async def test_an_unknown_id_is_not_found(journal: Journal) -> None:
    await filled(journal)
    assert await journal.find(new_id(bytes(16))) is None


@given(
    octets=st.binary(min_size=16, max_size=16),
    at=st.floats(0, 4e9),
    user=st.text(max_size=255),
    recipients=st.integers(0, 10**6),
    address=st.one_of(
        st.ip_addresses().map(str), st.sampled_from(["unix:/run/x", "fe80::1%eth0", "", "?"])
    ),
    size=st.integers(0, 2**40),
    front=st.sampled_from(Front),
)
def test_an_entry_reads_as_it_was_written(
    octets: bytes, at: float, user: str, recipients: int, address: str, size: int, front: Front
) -> None:
    one = Entry(new_id(octets), at, user, recipients, address, size, bytes(32), front)
    assert entry_of(message_row(one)) == one
    assert unpack_id(pack_id(one.id)) == one.id


async def test_a_message_takes_less_than_200_octets(journal: Journal, tmp_path: Path) -> None:
    count = 5000
    await asyncio.gather(*(journal.append(entry(NOW + number)) for number in range(count)))
    await journal.aclose()
    assert (tmp_path / "journal.db").stat().st_size / count < 200


async def test_only_the_owner_can_read_it(journal: Journal, tmp_path: Path) -> None:
    await filled(journal)
    for path in tmp_path.glob("journal.db*"):
        assert path.stat().st_mode & 0o077 == 0


# -- retention -----------------------------------------------------------------------------------


async def test_what_is_swept_is_gone_and_the_rest_still_verifies(journal: Journal) -> None:
    entries = await filled(journal)
    end = await journal.head()
    assert await journal.sweep(NOW + 8) == 8
    assert await journal.find(entries[7].id) is None
    assert await journal.find(entries[8].id) == Found(entries[8], None)
    assert (await journal.anchor()).number == 8
    assert (await journal.anchor()).at == NOW + 7
    found = await journal.verify(end)
    assert found.is_whole
    assert (found.rows, found.remembered) == (12, Remembered.FOUND)


async def test_an_empty_journal_keeps_its_head_when_all_is_swept(journal: Journal) -> None:
    await filled(journal)
    before = await journal.head()
    assert await journal.sweep(NOW + 1000) == 20
    after = await journal.head()
    assert (after.number, after.chain) == (before.number, before.chain)
    one = entry(NOW + 2000)
    await journal.append(one)
    assert (await journal.head()).number == 21
    found = await journal.verify(before)
    assert (found.is_whole, found.rows, found.remembered) == (True, 1, Remembered.FOUND)


async def test_many_rows_are_swept_in_parts_while_messages_come(journal: Journal) -> None:
    await asyncio.gather(*(journal.append(entry(NOW)) for _ in range(12_000)))
    swept, *_ = await asyncio.gather(
        journal.sweep(NOW + 1), *(journal.append(entry(NOW + 9)) for _ in range(50))
    )
    assert swept == 12_000
    found = await journal.verify()
    assert (found.is_whole, found.rows) == (True, 50)


async def test_verifying_goes_on_when_rows_are_swept_meanwhile(journal: Journal) -> None:
    await asyncio.gather(*(journal.append(entry(NOW + number)) for number in range(12_000)))
    sweeps: list[asyncio.Task[int]] = []

    def sweep_once(done: int, total: int) -> None:
        assert 0 < done <= total
        if not sweeps:
            sweeps.append(asyncio.create_task(journal.sweep(NOW + 10_000)))

    found = await journal.verify(progress=sweep_once)
    assert found.is_whole
    assert await sweeps[0] == 10_000


async def test_a_head_older_than_what_is_kept_says_nothing(journal: Journal) -> None:
    await filled(journal, 5)
    old = await journal.head()
    await filled(journal, 5)
    await journal.sweep(NOW + 4.5)
    await filled(journal, 9)
    await journal.sweep(NOW + 7.5)
    found = await journal.verify(Head(old.number - 2, b"x" * 32))
    assert (found.is_whole, found.remembered) == (True, Remembered.OLDER)


# -- tampering -----------------------------------------------------------------------------------

Change = Callable[[sqlite3.Connection], object]


async def tampered(journal: Journal, path: Path, *statements: str) -> Verification:
    """Change the file behind the journal's back, and verify with the head from before."""
    head = await journal.head()
    with closing(sqlite3.connect(path / "journal.db")) as database, database:
        for statement in statements:
            database.execute(statement)
    return await journal.verify(head)


COLUMNS = "kind, id, at, user, recipients, client, size, body_hash, front, chain"


@pytest.mark.parametrize(
    ("statements", "bad"),
    [
        (["UPDATE rows SET user = 'bob' WHERE number = 7"], 7),
        (["UPDATE rows SET recipients = 4 WHERE number = 1"], 1),
        (["UPDATE rows SET at = at + 0.001 WHERE number = 20"], 20),
        (["UPDATE rows SET body_hash = zeroblob(32) WHERE number = 7"], 7),
        (["UPDATE rows SET client = x'C0000202' WHERE number = 7"], 7),
        (["UPDATE rows SET kind = 1 WHERE number = 7"], 7),
        (["UPDATE rows SET size = 'many' WHERE number = 7"], 7),
        (["UPDATE rows SET size = -1 WHERE number = 7"], 7),
        (["UPDATE rows SET user = x'ff' WHERE number = 7"], 7),
        (["UPDATE rows SET chain = zeroblob(32) WHERE number = 7"], 7),
        (["UPDATE rows SET chain = 'text' WHERE number = 7"], 7),
        (["UPDATE rows SET user = CAST(x'ff' AS TEXT) WHERE number = 7"], 7),
        (["UPDATE rows SET chain = 'text', at = 'now' WHERE number = 20"], 20),
        (["INSERT INTO anchor VALUES (1, 3, 'text', 'now')"], 4),
        (["DELETE FROM rows WHERE number = 7"], 7),
        (["DELETE FROM rows WHERE number <= 3"], 1),
        (["UPDATE rows SET number = 100 WHERE number = 7"], 7),
        (["DELETE FROM rows WHERE number = 7", "UPDATE rows SET number = 7 WHERE number = 20"], 7),
        (
            [
                "UPDATE rows SET number = 100 WHERE number = 7",
                "UPDATE rows SET number = 7 WHERE number = 8",
                "UPDATE rows SET number = 8 WHERE number = 100",
            ],
            7,
        ),
        (
            [
                "UPDATE rows SET number = -number WHERE number > 7",
                "UPDATE rows SET number = 1 - number WHERE number < 0",
                f"INSERT INTO rows SELECT 8, {COLUMNS} FROM rows WHERE number = 7",
            ],
            8,
        ),
        ([f"INSERT INTO rows SELECT 21, {COLUMNS} FROM rows WHERE number = 7"], 21),
        (["INSERT INTO anchor VALUES (1, 3, zeroblob(32), 0)"], 4),
    ],
)
async def test_what_was_done_to_a_row_is_found_and_named(
    journal: Journal, tmp_path: Path, statements: list[str], bad: int
) -> None:
    await filled(journal)
    found = await tampered(journal, tmp_path, *statements)
    assert not found.is_whole
    assert found.bad == bad
    assert found.rows == bad - 1 - found.anchor.number


async def test_a_row_taken_out_and_its_followers_renumbered_is_found(
    journal: Journal, tmp_path: Path
) -> None:
    await filled(journal)
    found = await tampered(
        journal,
        tmp_path,
        "DELETE FROM rows WHERE number = 7",
        "UPDATE rows SET number = -number WHERE number > 7",
        "UPDATE rows SET number = -number - 1 WHERE number < 0",
    )
    assert (found.is_whole, found.bad) == (False, 7)


async def test_a_refusal_that_was_put_in_is_found(journal: Journal, tmp_path: Path) -> None:
    await filled(journal)
    found = await tampered(
        journal,
        tmp_path,
        "INSERT INTO rows SELECT 21, 1, id, at, '', 0, '', 0, '', 0, chain"
        " FROM rows WHERE number = 3",
    )
    assert found.bad == 21


async def test_a_cut_end_is_found_by_a_head_from_before_only(
    journal: Journal, tmp_path: Path
) -> None:
    await filled(journal)
    found = await tampered(journal, tmp_path, "DELETE FROM rows WHERE number > 15")
    assert (found.bad, found.remembered, found.is_whole) == (None, Remembered.MISSING, False)
    assert (await journal.verify()).is_whole


async def test_a_journal_written_anew_is_found_by_a_head_from_before(
    tmp_path: Path, journal: Journal
) -> None:
    entries = await filled(journal)
    head = await journal.head()
    other = Journal(tmp_path / "other")
    for one in entries[:-1]:
        await other.append(one)
    await other.append(entry(entries[-1].at, id=entries[-1].id, user="bob"))
    await other.append(entry())
    found = await other.verify(head)
    assert (found.bad, found.remembered, found.is_whole) == (None, Remembered.MISSING, False)
    await other.aclose()


async def test_a_head_reads_as_it_was_written(journal: Journal) -> None:
    await filled(journal)
    head = await journal.head()
    assert await journal.verify(Head.parse(str(head))) == await journal.verify(head)
    for text in ("", "1", "1:2", ":" + "0" * 64, "-1:" + "0" * 64, "1:" + "g" * 64):
        with pytest.raises(ValueError, match="NUMBER:HEX"):
            Head.parse(text)
