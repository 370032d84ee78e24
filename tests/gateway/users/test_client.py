"""The registrar's API as a gateway asks it, with a real registrar and with hostile ones."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countersign.gateway.registrar_link.client import RegistrarClient
from countersign.gateway.registrar_link.errors import (
    NotLinkedError,
    RegistrarAwayError,
    RegistrarRefusedError,
)
from countersign.registrar.documents.text import Kind, current
from countersign.rules.access import Scope
from tests.gateway.users.registrar import OFFENDER, PASSPORT, SCOPES, Registrar

VERSION = current(Kind.PRIVILEGED_USER_AGREEMENT)


def dkim_record() -> str:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode()}"


async def test_users_are_registered_once_found_and_revoked(registrar: Registrar) -> None:
    registrar.start()
    async with registrar.client() as client:
        made = await client.register_user("aa11", "2026-03-01", VERSION, key="one")
        assert await client.register_user("aa11", "2026-03-01", VERSION, key="one") == made
        assert await client.find_user("aa11") == made
        assert await client.find_user("aa12") is None
        with pytest.raises(RegistrarRefusedError, match="registered already") as refused:
            await client.register_user("aa11", "2026-03-01", VERSION, key="two")
        assert refused.value.is_final
        await client.revoke_user(made.id, key="three")
        await client.revoke_user(made.id, key="three")
        assert await client.find_user("aa11") is None


async def test_a_user_is_found_among_many(registrar: Registrar) -> None:
    registrar.start()
    async with registrar.client() as client:
        made = [
            await client.register_user(f"user{one}", "2026-03-01", VERSION, key=f"k{one}")
            for one in range(230)
        ]
        assert await client.find_user("user0") == made[0]


async def test_keys_are_published_listed_and_revoked(registrar: Registrar) -> None:
    registrar.start()
    record = dkim_record()
    async with registrar.client() as client:
        key = await client.register_key(record, "s2026")
        assert [(one.id, one.selector, one.content) for one in await client.keys()] == [
            (key.id, "s2026", record)
        ]
        await client.revoke_key(key.id)
        assert await client.keys() == []


async def test_offenders_are_told_by_level_and_month(registrar: Registrar) -> None:
    registrar.start()
    registrar.record_offender()
    kind, country, number = PASSPORT.split(":")
    async with registrar.client() as client:
        for question in (
            {"name": OFFENDER[0], "birth_date": OFFENDER[1]},
            {"numbers": [{"kind": kind, "country": country, "number": number}]},
        ):
            asked = {"purpose": "A new user.", **question}
            answer = await client.ask_offender(asked, key=str(question)[:9].replace(" ", "_"))
            assert (answer.level, str(answer.month)) == ("barred", "2025-11-01")
        someone = {"purpose": "A new user.", "name": "Zoë", "birth_date": "1990-01-01"}
        assert (await client.ask_offender(someone, key="k")).level is None
        assert (await client.me()).questions_left == 17


async def test_the_own_server_is_found_by_its_name(registrar: Registrar) -> None:
    registrar.start()
    registrar.write_token(*SCOPES, Scope.READ_SERVERS, server=False)
    async with registrar.client() as client:
        assert await client.server() == registrar.server_id
    async with RegistrarClient(registrar.link(), "other.example") as client:
        with pytest.raises(RegistrarRefusedError, match=r"knows no server other\.example"):
            await client.keys()


async def test_a_changed_token_is_used_at_once_and_a_wrong_one_is_not_final(
    registrar: Registrar,
) -> None:
    registrar.start()
    async with registrar.client(server=registrar.server_id) as client:
        await client.keys()
        registrar.token_file.write_text("wrong\n")
        with pytest.raises(RegistrarRefusedError) as refused:
            await client.keys()
        assert not refused.value.is_final
        assert "wrong" not in str(refused.value)
        registrar.write_token(*SCOPES)
        await client.keys()


async def test_a_registrar_that_is_away_is_not_one_that_refuses(registrar: Registrar) -> None:
    async with registrar.client() as client:
        with pytest.raises(RegistrarAwayError, match="cannot be asked"):
            await client.keys()
        registrar.start()
        assert await client.keys() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": ""}, "no registrar is configured"),
        ({"url": "http://registrar.example"}, "https://"),
        ({"url": "ftp://127.0.0.1"}, "https://"),
        ({"url": "https://user:secret@registrar.example"}, "is written"),
        ({"url": "https://a:b"}, "not a web address"),
        ({"token_file": None}, "no token is configured"),
        ({"token_file": "/no/such/file"}, "No such file"),
    ],
)
async def test_what_is_wrong_with_the_link_is_said(
    registrar: Registrar, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(NotLinkedError, match=words) as caught:
        async with registrar.client(**changes) as client:
            await client.me()
    assert "secret" not in str(caught.value)


async def test_a_token_that_is_none_is_never_sent(registrar: Registrar) -> None:
    for text in ("", "two words", "x\r\nEvil: 1", "x" * 5000, "\u202e"):
        registrar.token_file.write_text(text)
        async with registrar.client() as client:
            with pytest.raises(NotLinkedError, match="holds no token"):
                await client.me()


# -- hostile registrars ----------------------------------------------------------------------------


@asynccontextmanager
async def answering(
    registrar: Registrar, answer: Callable[[], bytes]
) -> AsyncIterator[RegistrarClient]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            while piece := answer():
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", registrar.port)
    async with server, registrar.client(timeout=1) as client:
        yield client


def once(octets: bytes) -> Callable[[], bytes]:
    pieces = [octets]
    return lambda: pieces.pop() if pieces else b""


def http(status: int, body: bytes, *headers: bytes) -> bytes:
    lines = (b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join((*lines, b"", body))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"nonsense\r\n\r\n",
        http(200, b"{}"),
        http(200, b'{"server": -1, "questions_left": 3}'),
        http(200, b"[" * 100_000),
        http(200, b"\xff\xfe"),
        http(302, b"", b"Location: http://169.254.169.254/"),
        http(500, b'{"detail": "Sorry."}'),
        http(503, b"<html>"),
        http(429, b"{}"),
        http(200, b'{"server": 1')[:-4],
    ],
)
async def test_an_answer_that_makes_no_sense_is_none(registrar: Registrar, octets: bytes) -> None:
    async with answering(registrar, once(octets)) as client:
        with pytest.raises(RegistrarAwayError):
            await client.me()


async def test_an_endless_answer_is_cut_off(registrar: Registrar) -> None:
    pieces = iter([b"HTTP/1.1 200 OK\r\n\r\n"])
    async with answering(registrar, lambda: next(pieces, b" " * 65536)) as client:
        with pytest.raises(RegistrarAwayError, match="too long"):
            await client.me()


async def test_words_of_a_refusal_are_short_and_printable(registrar: Registrar) -> None:
    body = b'{"detail": "No\\u001b[31m\\u0000.' + b"x" * 5000 + b'"}'
    async with answering(registrar, once(http(422, body))) as client:
        with pytest.raises(RegistrarRefusedError) as caught:
            await client.me()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 500
