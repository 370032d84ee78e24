"""The pages as an operator has them: served by the clerk of a real gateway."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from countersign.gateway.submission.passwords import make_credentials
from countersign.storage.submission.account_rows import Deed, NewUser
from countersign.storage.submission.accounts import Accounts
from tests.gateway.pages.house import PASSWORD, Visitor
from tests.gateway.process import maildir_gateway
from tests.gateway.world import free_port

pytestmark = pytest.mark.slow


async def _add_user(directory: Path) -> None:
    accounts = Accounts(directory / "state" / "submission")
    new = NewUser("mei", make_credentials(PASSWORD, 4096))
    await accounts.add([new], Deed("test", 0.0))
    await accounts.aclose()


async def test_the_pages_come_and_go_with_their_setting_and_end_in_time(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    pages = f'[pages]\nlisten = "127.0.0.1:{port}"\n'
    async with maildir_gateway(tmp_path, extra=pages) as gateway:
        await _add_user(tmp_path)
        await gateway.wait_for_log('"pages served"')
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            mei = Visitor(client)
            assert (await mei.sign_in("mei")).headers["location"] == "/"
            assert (await mei.get("/")).status_code == 200
        text = gateway.config_file.read_text()
        gateway.config_file.write_text(text.replace(str(port), str(other)))
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.wait_for_log('"pages served"', count=2)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{other}") as client:
            assert (await client.get("/sign-in")).status_code == 200
            # A browser that keeps its connection keeps nobody from stopping.
            gateway.process.send_signal(signal.SIGTERM)
            assert await gateway.process.wait() == 0
    said = gateway.log_file.read_text()
    assert "Traceback" not in said
    assert PASSWORD not in said
    # What a person does on the pages is not told by name.
    assert '"mei"' not in said


async def test_an_address_that_cannot_be_had_is_said_and_keeps_nothing_else_from_running(
    tmp_path: Path,
) -> None:
    taken = await _listener()
    port = taken.sockets[0].getsockname()[1]
    async with maildir_gateway(
        tmp_path, extra=f'[pages]\nlisten = "127.0.0.1:{port}"\n'
    ) as gateway:
        await gateway.wait_for_log('"pages not served"')
        await gateway.wait_for_log('"journal head"')
        taken.close()
        await taken.wait_closed()
        await gateway.wait_for_log('"pages served"')


async def _listener() -> asyncio.Server:
    return await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
