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
    text += '[administrator]\nmta = "127.0.0.1:1"\n'
    code, words = run("check", "config", configured(tmp_path, text))
    assert code == 1
    assert "administrator.mta 127.0.0.1:1 does not answer" in words
    assert "letters to the administrator wait for it" in words
    assert "no key signs users' mail: countersign keys make, then publish --by-hand" in words
    text += '[registrar]\nurl = "https://registrar.example"\ntoken_file = "/nowhere"\n'
    words = run("check", "config", configured(tmp_path, text))[1]
    assert "no key signs users' mail: countersign keys rotate" in words


def test_a_dovecot_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = "[receiving]\nenabled = false\n[submission]\nenabled = true\n"
    text += f'[sign_in]\nsource = "dovecot"\n[sign_in.dovecot]\nsocket = "{tmp_path}/none"\n'
    code, words = run("check", "config", configured(tmp_path, text))
    assert code == 1
    assert f"sign_in.dovecot.socket: Dovecot at {tmp_path}/none: " in words
    assert "unix_listener auth-client" in words


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


def test_a_milter_that_others_reach_is_warned_of(tmp_path: Path) -> None:
    text = "[receiving]\nenabled = false\n[milter]\nenabled = true\n"
    words = run("check", "config", configured(tmp_path, text))[1]
    assert "in any user's name" not in words, "the default is a socket for the MTA alone"
    text += 'listen = ["unix:/run/countersign-milter/socket", "127.0.0.1:8891"]\n'
    code, words = run("check", "config", configured(tmp_path, text))
    assert code == 1
    assert words.count("in any user's name") == 1
    assert "milter.listen 127.0.0.1:8891" in words


def test_letters_that_would_come_to_our_own_listener_are_warned_of(tmp_path: Path) -> None:
    text = '[receiving.backend]\nkind = "lmtp"\n[milter]\nenabled = true\n'
    words = run("check", "config", configured(tmp_path, text))[1]
    assert "127.0.0.1:25 is the gateway's own listener" in words
    text += '[administrator]\nmta = "127.0.0.1:1"\n'
    words = run("check", "config", configured(tmp_path, text))[1]
    assert "the gateway's own listener" not in words
