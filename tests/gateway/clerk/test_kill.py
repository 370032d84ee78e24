"""The clerk is killed at each step: the administrator is told all the same (DESIGN §5)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.gateway.clerk.mta import Mta
from tests.gateway.clerk.setting import Stores, config_text, make_config
from tests.gateway.world import free_port

KILLED_BEFORE_TOLD = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.gateway.clerk.setting import Stores
from countersign.gateway.config import Config
from countersign.settings.file import load_config

stores = Stores(load_config(Path(sys.argv[1]), Config))

async def told(lock):
    os.kill(os.getpid(), signal.SIGKILL)

stores.tables.told = told
asyncio.run(stores.notices().run())
"""


async def start_clerk(config_file: Path) -> asyncio.subprocess.Process:
    """Start it as the supervisor does, but with this process at the other end of no pipe."""
    end, _ = os.pipe()
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "countersign", "gateway-clerk"),
            *("--config", str(config_file), "--lifeline", str(end)),
            pass_fds=(end,),
        )
    finally:
        os.close(end)


@pytest.mark.parametrize(
    "step", ["Hello", "MailFrom", "RcptTo", "DataCommand", "Content", "EndOfContent"]
)
async def test_a_clerk_killed_while_it_writes_tells_when_it_is_started_again(
    tmp_path: Path, step: str
) -> None:
    mta = Mta(free_port())
    config_file = tmp_path / "gateway.toml"
    config_file.write_text(config_text(tmp_path, mta.endpoint))
    stores = Stores(make_config(tmp_path, mta.endpoint))
    await stores.lock("alice@local.example")
    reached = asyncio.Event()

    async def hold(name: str) -> None:
        if name == step:
            reached.set()
            await asyncio.Event().wait()

    mta.on_step = hold
    await mta.start()
    clerk = await start_clerk(config_file)
    await asyncio.wait_for(reached.wait(), 30)
    clerk.send_signal(signal.SIGKILL)
    await clerk.wait()
    assert len(await stores.tables.untold()) == 1
    mta.on_step = None
    clerk = await start_clerk(config_file)
    await mta.wait_for(1)
    await stores.wait_until_told()
    clerk.terminate()
    assert await asyncio.wait_for(clerk.wait(), 10) == 0
    await mta.stop()
    await stores.close()
    assert len(mta.letters) == 1


async def test_a_clerk_killed_after_the_mta_has_the_letter_sends_a_copy_that_folds(
    tmp_path: Path,
) -> None:
    mta = Mta(free_port())
    await mta.start()
    config_file = tmp_path / "gateway.toml"
    config_file.write_text(config_text(tmp_path, mta.endpoint))
    stores = Stores(make_config(tmp_path, mta.endpoint))
    await stores.lock("alice@local.example")
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_BEFORE_TOLD, str(config_file)
    )
    assert await asyncio.wait_for(killed.wait(), 30) == -signal.SIGKILL
    assert len(mta.letters) == 1
    assert await stores.notices().tell_all() == 1
    await stores.close()
    await mta.stop()
    [first, second] = mta.message_ids()
    assert first == second
