"""A state directory has one gateway."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from countersign.gateway.claim import claimed
from countersign.gateway.sockets import SupervisorError
from tests.gateway.process import maildir_gateway


def test_a_second_claim_is_refused_and_names_the_first(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "state"),
        pytest.raises(SupervisorError, match=f"runs already, process {os.getpid()}"),
        claimed(tmp_path / "state"),
    ):
        pytest.fail("the state directory was given twice")
    with claimed(tmp_path / "state"):
        assert (tmp_path / "state" / "supervisor.pid").read_text() == f"{os.getpid()}\n"
    assert not (tmp_path / "state" / "supervisor.pid").read_text()


def test_what_a_gateway_left_that_was_killed_keeps_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "supervisor.pid").write_text("1234567\n")
    with claimed(tmp_path):
        assert (tmp_path / "supervisor.pid").read_text() == f"{os.getpid()}\n"


async def test_a_gateway_that_is_started_twice_runs_once(tmp_path: Path) -> None:
    async with maildir_gateway(tmp_path) as gateway:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "countersign", "gateway", "--config", str(gateway.config_file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        words, _ = await process.communicate()
        assert process.returncode != 0
        assert f"runs already, process {gateway.process.pid}".encode() in words
        _, writer = await asyncio.open_connection(gateway.address, gateway.port)
        writer.close()
        pid_file = tmp_path / "state" / "supervisor.pid"
        assert pid_file.read_text() == f"{gateway.process.pid}\n"
