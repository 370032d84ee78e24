"""The milter on a unix socket, of a gateway as an operator runs it."""

from __future__ import annotations

import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.cli.submission_snippets import postfix_milter
from countersign.gateway.config import Config
from tests.gateway.milter.messages import CONTENTS
from tests.gateway.milter.postfix_site import Client, postfix_site, skip_without_programs
from tests.gateway.milter.site import settings_of
from tests.gateway.process import maildir_gateway

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


@pytest.fixture
def directory_of_postfix() -> Iterator[Path]:
    """A directory for the socket, as `setup postfix` tells to make it."""
    skip_without_programs()
    directory = Path(tempfile.mkdtemp(prefix="countersign-milter-"))
    text = postfix_milter(config_with(directory / "own", f"unix:{directory}/milter"))
    [(path, mode, group)] = re.findall(
        r"^#   d (\S+) ([0-7]+) countersign (\S+)$", text, re.MULTILINE
    )
    assert path == str(directory)
    shutil.chown(directory, group=group)
    directory.chmod(int(mode, 8))
    yield directory
    shutil.rmtree(directory)


def config_with(directory: Path, endpoint: str) -> Config:
    directory.mkdir()
    listen = {"enabled": True, "listen": [endpoint]}
    return Config.model_validate(settings_of(directory, milter=listen))


def connects(socket: Path, user: str) -> bool:
    """Tell whether a user's process reaches a socket."""
    account = pwd.getpwnam(user)
    done = subprocess.run(
        ["test", "-w", str(socket)],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        check=False,
    )
    return done.returncode == 0


async def test_only_the_group_of_the_directory_reaches_the_socket(
    tmp_path: Path, directory_of_postfix: Path
) -> None:
    socket = directory_of_postfix / "milter"
    milter = f'[milter]\nenabled = true\nlisten = ["unix:{socket}"]\n'
    async with maildir_gateway(tmp_path, workers=2, extra=milter):
        assert stat.S_IMODE(socket.stat().st_mode) == 0o660
        assert [connects(socket, user) for user in ("nobody", "daemon", "postfix")] == [
            False,
            False,
            True,
        ]
        with postfix_site(tmp_path, f"unix:{socket}") as mta:
            for _ in range(4):
                async with Client(mta.starttls) as client:
                    await client.sign_in()
                    assert (await client.message(CONTENTS["plain"]))[0] == 250
            assert len(await mta.postfix.wait_for_messages(4)) == 4
