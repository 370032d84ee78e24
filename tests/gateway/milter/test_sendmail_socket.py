"""Real Sendmail and our milter on a unix socket, in a directory as `setup sendmail` prints it."""

from __future__ import annotations

import asyncio
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.cli.submission_snippets import sendmail_snippet
from countersign.gateway.config import Config
from countersign.transport.certificate import make_self_signed
from tests.gateway.milter.messages import CONTENTS
from tests.gateway.milter.postfix_site import PASSWORDS, Client
from tests.gateway.milter.site import settings_of
from tests.gateway.process import maildir_gateway
from tests.gateway.world import free_port
from tests.peers.sendmail import Sendmail, skip_without_sendmail

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


@pytest.fixture
def directory_of_socket() -> Iterator[Path]:
    skip_without_sendmail()
    # Not below /tmp: Sendmail trusts nothing in a directory that anybody may write to.
    directory = Path(tempfile.mkdtemp(prefix="countersign-milter-", dir="/run"))
    yield directory
    shutil.rmtree(directory)


async def test_sendmail_asks_by_a_socket_that_is_closed_to_others(
    tmp_path: Path, directory_of_socket: Path
) -> None:
    socket = directory_of_socket / "socket"
    listen = {"enabled": True, "listen": [f"unix:{socket}"]}
    lines = sendmail_snippet(Config.model_validate(settings_of(tmp_path, milter=listen)))
    printed = re.search(r"^dnl   d (\S+) ([0-7]+) countersign countersign$", lines, re.MULTILINE)
    assert printed is not None
    assert printed[1] == str(directory_of_socket)
    directory_of_socket.chmod(int(printed[2], 8))
    pair = tmp_path / "pair.pem"
    pair.write_bytes(make_self_signed("mx.alpha.example"))
    port = free_port()
    milter = f'[milter]\nenabled = true\nlisten = ["unix:{socket}"]\n'
    async with maildir_gateway(tmp_path, extra=milter) as gateway:
        assert stat.S_IMODE(directory_of_socket.stat().st_mode) & 0o007 == 0
        with Sendmail(
            "mx.alpha.example",
            free_port(),
            lines=lines.replace("Port=submission,", f"Addr=127.0.0.1, Port={port},"),
            pair=pair,
            users=PASSWORDS,
            relay_port=free_port(),
        ) as sendmail:
            async with Client(port) as client:
                await client.sign_in()
                code, words = await client.message(CONTENTS["plain"], ["r@beta.example"])
                assert code == 250, (words, sendmail.log())
        async with asyncio.timeout(10):
            await gateway.wait_for_log('"queue_id"')
