"""What a probe makes of registrars that are away, wrong, hostile, or of another time."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countersign.certification.exchange import ORDERS
from countersign.certification.signing import public_text
from countersign.probe.client import RegistrarClient, RegistrarError
from countersign.probe.config import ProbeConfig
from countersign.probe.enrolment import enrol, enrolled, read_key_file
from countersign.probe.errors import ProbeError
from countersign.transport.certificate import make_self_signed
from tests.gateway.world import free_port
from tests.probe.test_pure import NOW

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
Answer = Callable[[asyncio.StreamWriter], None]


def answers(octets: bytes, status: str = "200 OK", *more: str) -> Answer:
    """Return what answers a request with a body."""

    def write(writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(octets)}", *more, "", ""]
        writer.write("\r\n".join(head).encode() + octets)

    return write


@asynccontextmanager
async def web_server(
    *replies: Answer, tls: ssl.SSLContext | None = None, requests: list[bytes] | None = None
) -> AsyncIterator[str]:
    """Serve one reply after the other, the last again and again; gives the address."""
    waiting = list(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if requests is not None:
                requests.append(head + body)
            (waiting.pop(0) if len(waiting) > 1 else waiting[0])(writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    try:
        yield f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def refused(*replies: Answer) -> RegistrarError:
    """Ask for an order, which must fail."""
    async with web_server(*replies) as url, RegistrarClient(url, probe=3, key=KEY) as client:
        with pytest.raises(RegistrarError) as caught:
            await client.next_order(0, ())
    return caught.value


class TestAnswers:
    async def test_a_refusal_is_told_in_the_registrars_words(self) -> None:
        error = await refused(answers(b'{"detail": "No \\u001b[2J."}', "422 Unprocessable"))
        assert "422: No \\x1b[2J." in str(error)
        assert not error.is_temporary

    @pytest.mark.parametrize("status", ["401 No", "409 No", "429 No", "500 No", "503 No"])
    async def test_what_may_pass_is_tried_again(self, status: str) -> None:
        assert (await refused(answers(b"", status))).is_temporary

    async def test_an_answer_that_is_too_long_is_not_read(self) -> None:
        assert "too long" in str(await refused(answers(b" " * 600_000)))

    @pytest.mark.parametrize(
        "octets", [b"", b"{", b"[]", b'{"order": 1, "signature": ""}', b"[" * 100_000]
    )
    async def test_an_answer_that_makes_no_sense_is_an_error(self, octets: bytes) -> None:
        if octets:
            assert "form" in str(await refused(answers(octets)))
        assert (await refused(answers(octets, "418 " + "x" * 100))).status == 418

    async def test_what_is_no_http_is_an_error(self) -> None:
        error = await refused(lambda writer: writer.write(b"220 mail.example.org ESMTP\r\n"))
        assert "cannot be asked" in str(error)
        assert (await refused(lambda writer: writer.close())).is_temporary

    async def test_no_redirect_is_followed(self) -> None:
        requests: list[bytes] = []
        async with web_server(answers(b""), requests=requests) as elsewhere:
            moved = answers(b"", "307 Moved", f"Location: {elsewhere}{ORDERS}")
            assert (await refused(moved)).status == 307
        assert requests == []

    async def test_nothing_that_is_packed_is_unpacked(self) -> None:
        packed = answers(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip")
        assert "form" in str(await refused(packed))

    async def test_a_registrar_that_is_away_is_told_apart(self) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        async with RegistrarClient(url, probe=3, key=KEY) as client:
            with pytest.raises(RegistrarError, match="cannot be asked") as caught:
                await client.next_order(0, ())
        assert caught.value.is_temporary

    async def test_a_clock_that_is_wrong_is_told_by_how_much(self) -> None:
        late = answers(b'{"detail": "Old."}', "401 No", f"Date: {format_datetime(NOW)}")
        text = str(await refused(late))
        assert "the registrar's: set it right" in text
        assert "clock of this machine is " in text


class TestTls:
    async def test_only_authorities_that_are_set_are_believed(self, tmp_path: Path) -> None:
        pair = tmp_path / "pair.pem"
        pair.write_bytes(make_self_signed("localhost"))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pair)
        async with web_server(answers(b"", "204 None"), tls=tls) as url:
            async with RegistrarClient(url, pair, probe=3, key=KEY) as client:
                assert await client.next_order(0, ()) is None
            async with RegistrarClient(url, probe=3, key=KEY) as client:
                with pytest.raises(RegistrarError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.next_order(0, ())
            other = url.replace("localhost", "127.0.0.1")
            async with RegistrarClient(other, pair, probe=3, key=KEY) as client:
                with pytest.raises(RegistrarError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.next_order(0, ())

    def test_a_file_that_is_none_stops_the_probe(self, tmp_path: Path) -> None:
        (tmp_path / "empty.pem").write_text("nothing")
        for name in ("absent.pem", "empty.pem"):
            with pytest.raises(ProbeError, match="ca:"):
                RegistrarClient("https://registrar.example", tmp_path / name)


class TestEnrolment:
    async def test_sends_the_same_key_again_where_the_answer_was_lost(self, tmp_path: Path) -> None:
        config = ProbeConfig(state_directory=tmp_path / "probe")
        order_key = public_text(KEY.public_key())
        told = f'{{"id": 3, "name": "lima", "order_key": "{order_key}"}}'.encode()
        requests: list[bytes] = []
        replies = (answers(b"", "502 Bad Gateway"), answers(told))
        async with web_server(*replies, requests=requests) as url:
            with pytest.raises(ProbeError, match="Try again"):
                await enrol(config, url, "token", "192.0.2.7/24", None)
            with pytest.raises(ProbeError, match="not enrolled"):
                enrolled(config)
            made = await enrol(config, url, "token", "192.0.2.7/24", None)
            with pytest.raises(ProbeError, match="already"):
                await enrol(config, url, "token", "192.0.2.7/24", None)
        first, second = (request.split(b"\r\n\r\n")[1] for request in requests)
        assert first == second
        assert b'"192.0.2.0/24"' in first
        assert enrolled(config) == made
        assert stat.S_IMODE(config.enrolment_file.stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        ("token", "network"), [("", "192.0.2.0/24"), ("t" * 201, "192.0.2.0/24"), ("token", "x")]
    )
    async def test_asks_for_nothing_with_what_cannot_be(
        self, tmp_path: Path, token: str, network: str
    ) -> None:
        config = ProbeConfig(state_directory=tmp_path / "probe")
        with pytest.raises(ProbeError) as caught:
            await enrol(config, "http://localhost:1", token, network, None)
        assert "ttt" not in str(caught.value)
        assert not config.enrolment_file.exists()

    def test_a_key_that_others_may_read_is_not_used(self, tmp_path: Path) -> None:
        file = tmp_path / "probe.json"
        file.write_text("{}")
        file.chmod(0o640)
        with pytest.raises(ProbeError, match="chmod 600"):
            read_key_file(file)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "secret",
            '{"private_key": "secret", "registrar": "x"}',
            f'{{"private_key": "{"A" * 43}=", "registrar": "x", "id": 1}}',
        ],
    )
    def test_a_key_file_that_is_none_is_not_quoted(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "probe.json"
        file.write_text(text)
        file.chmod(0o600)
        with pytest.raises(ProbeError, match="not a probe's key file") as caught:
            read_key_file(file)
        assert "secret" not in str(caught.value)
