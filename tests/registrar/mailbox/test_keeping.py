"""What comes to the test mailbox is in the database before it is acknowledged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from countersign.certification.mailbox import TestMailbox
from countersign.certification.test_address import Kind
from countersign.registrar.operations import arrivals as operations
from countersign.registrar.operations.office import Office, OperationError
from countersign.storage.database.engine import Database
from tests.certification.mailbox.running import client_of, send
from tests.registrar.mailbox import making
from tests.registrar.postgres import Postgres

MARK, OTHER = "abcdefghijklmnop", "zyxwvutsrqponmlk"
NUMBER, NEXT = "qrstuvwxyz234567", "aaaaaaaaaaaaaaaa"


def address(office: Office, number: str = NUMBER, kind: str = "r", mark: str = MARK) -> str:
    return f"{kind}-{mark}-{number}@{office.config.certification.foreign_domain}"


async def test_a_message_is_kept_and_its_run_looked_at_once(office: Office) -> None:
    order, run = making.add_order(office, MARK)
    async with making.mailbox_of(office) as mailbox, client_of(mailbox) as client:
        for _ in range(3):
            content = b"Subject: x\r\n\r\nA test\r\n"
            assert await send(client, address(office), content=content) == 250
    [arrival] = making.arrivals(office)
    assert (arrival.order_id, arrival.kind, arrival.number) == (order, Kind.RELAYED, NUMBER)
    assert (arrival.from_address, arrival.hello) == ("127.0.0.1", "relay.example")
    assert arrival.head == b"Subject: x\r\n\r\nA test\r\n"
    assert arrival.arrived_at == office.clock()
    assert making.settlings(office) == [run]


async def test_one_message_may_be_for_several_orders_and_kinds(office: Office) -> None:
    first, second = making.add_order(office, MARK), making.add_order(office, OTHER)
    recipients = [
        address(office),
        address(office, kind="b"),
        address(office, NEXT),
        address(office, mark=OTHER),
    ]
    async with making.mailbox_of(office) as mailbox, client_of(mailbox) as client:
        assert await send(client, *recipients) == 250
    found = [(one.order_id, one.kind, one.number) for one in making.arrivals(office)]
    assert found == [
        (first[0], "r", NUMBER),
        (first[0], "b", NUMBER),
        (first[0], "r", NEXT),
        (second[0], "r", NUMBER),
    ]
    assert set(making.settlings(office)) == {first[1], second[1]}


async def test_a_mark_that_no_order_has_is_no_mailbox(office: Office) -> None:
    making.add_order(office, MARK)
    async with making.mailbox_of(office) as mailbox, client_of(mailbox) as client:
        assert await send(client, address(office, mark=OTHER)) == 550
        await client.command(client.dialogue.reset())
        sending = f"s-{MARK}@{office.config.certification.foreign_domain}"
        assert await send(client, sending) == 550
    assert making.arrivals(office) == []


async def test_the_same_message_from_many_at_one_time_is_kept_once(office: Office) -> None:
    making.add_order(office, MARK)

    async def one(mailbox: TestMailbox, number: int) -> int:
        source = f"127.0.0.{number + 2}"
        async with client_of(mailbox, source=source) as client:
            return await send(client, address(office), address(office, kind="b"))

    async with making.mailbox_of(office) as mailbox:
        codes = await asyncio.gather(*(one(mailbox, number) for number in range(12)))
    assert set(codes) == {250}
    assert len(making.arrivals(office)) == 2
    assert len(making.settlings(office)) == 2


def test_whoever_floods_a_mailbox_fills_no_disk(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_ARRIVALS", 5)
    monkeypatch.setattr(operations, "MOST_HEADS", 2)
    making.add_order(office, MARK)

    def keep(number: str) -> None:
        with office.work() as work:
            order = operations.order_of_mark(work, MARK)
            assert order is not None
            operations.record_arrival(
                work, order, Kind.RELAYED, number, from_address="", hello="", head=b"x"
            )

    for letter in "abcde":
        keep(letter * 16)
    with pytest.raises(OperationError):
        keep("f" * 16)
    keep("a" * 16)
    assert [one.head for one in making.arrivals(office)] == [b"x", b"x", b"", b"", b""]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_sqlite_clients_are_asked_to_come_again(
    office: Office, database: Database, tmp_path: Path
) -> None:
    making.add_order(office, MARK)
    file = tmp_path / "registrar.sqlite"
    async with making.mailbox_of(office) as mailbox, client_of(mailbox) as client:
        database.close()
        away = file.rename(tmp_path / "away")
        file.mkdir()
        assert await send(client, address(office)) == 451
        file.rmdir()
        away.rename(file)
        await client.command(client.dialogue.reset())
        assert await send(client, address(office)) == 250
    assert len(making.arrivals(office)) == 1


@pytest.mark.peer
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_without_postgresql_clients_are_asked_to_come_again(
    office: Office, database: Database, postgres: Postgres
) -> None:
    making.add_order(office, MARK)
    name = database.engine.url.database
    dialogue_end = b"x\r\n"
    async with making.mailbox_of(office) as mailbox, client_of(mailbox) as client:
        dialogue = client.dialogue
        await client.command(dialogue.mail("<>"))
        await client.command(dialogue.rcpt(f"<{address(office)}>"))
        await client.command(dialogue.data())
        await client.send_content(dialogue_end)
        _allow(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        _allow(
            postgres,
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )
        assert (await client.command(dialogue.end_of_content())).code == 451
        assert await send(client, address(office)) == 451
        await client.command(dialogue.reset())
        _allow(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert await send(client, address(office)) == 250
    assert len(making.arrivals(office)) == 1


def _allow(postgres: Postgres, statement: str) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(statement)
