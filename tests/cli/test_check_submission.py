"""`countersign check config` where users submit mail."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from countersign.gateway.submission.key_file import KeyKind
from countersign.gateway.submission.keys import KeyStore, key_directory
from tests.cli.test_commands import configured, run
from tests.gateway.clerk.mta import Mta
from tests.gateway.world import free_port


def test_the_mta_behind_and_the_keys_are_looked_at(tmp_path: Path) -> None:
    text = "[receiving]\nenabled = false\n[milter]\nenabled = true\n"
    text += '[submission.backend]\naddress = "127.0.0.1:1"\n'
    code, words = run("check", "config", configured(tmp_path, text))
    assert code == 1
    assert "submission.backend 127.0.0.1:1 does not answer" in words
    assert "letters to the administrator wait for it" in words
    assert "no key signs users' mail: countersign keys rotate" in words


async def test_with_both_there_is_nothing_to_say(tmp_path: Path) -> None:
    mta = Mta(free_port())
    await mta.start()
    keys = KeyStore(key_directory(tmp_path / "state"))
    keys.activate(keys.make(KeyKind.ED25519, time.time()).selector, time.time())
    text = "[receiving]\nenabled = false\n[submission]\nenabled = true\n"
    text += f'[submission.backend]\naddress = "{mta.endpoint}"\n'
    code, words = await asyncio.to_thread(run, "check", "config", configured(tmp_path, text))
    await mta.stop()
    assert (code, "is good" in words) == (0, True), words
