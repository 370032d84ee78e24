"""The milter on a unix socket, of a gateway as an operator runs it."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.milter.messages import CONTENTS
from tests.gateway.milter.postfix_site import Client, postfix_site, skip_without_programs
from tests.gateway.process import maildir_gateway

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


@pytest.fixture
def directory_of_postfix() -> Iterator[Path]:
    """A directory for the socket, as docs/SUBMISSION.md tells to make it."""
    skip_without_programs()
    directory = Path(tempfile.mkdtemp(prefix="countersign-milter-"))
    shutil.chown(directory, group="postfix")
    directory.chmod(0o2750)
    yield directory
    shutil.rmtree(directory)


async def test_only_the_group_of_the_directory_reaches_the_socket(
    tmp_path: Path, directory_of_postfix: Path
) -> None:
    socket = directory_of_postfix / "milter"
    milter = f'[milter]\nenabled = true\nlisten = ["unix:{socket}"]\n'
    async with maildir_gateway(tmp_path, workers=2, extra=milter):
        assert stat.S_IMODE(socket.stat().st_mode) == 0o660
        with postfix_site(tmp_path, f"unix:{socket}") as mta:
            for _ in range(4):
                async with Client(mta.starttls) as client:
                    await client.sign_in()
                    assert (await client.message(CONTENTS["plain"]))[0] == 250
            assert len(await mta.postfix.wait_for_messages(4)) == 4
