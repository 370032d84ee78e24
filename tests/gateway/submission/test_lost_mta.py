"""The MTA behind the listener refuses, hangs or breaks off: never a 250, never half a message."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from countersign.gateway.submission import transaction
from countersign.transport.conversation import ConversationError
from tests.gateway.submission.conftest import MTA_SETTINGS
from tests.gateway.submission.site import MESSAGE, client_of, submission_site
from tests.gateway.test_backend import STAGES, Backend, listening
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix

RECIPIENT = "to1@alpha.example"


async def send(directory: Path, port: int) -> tuple[int, int, list[bool]]:
    """Return the reply's code, what is counted, and for each journal entry whether it counts."""
    settings = {
        "enabled": True,
        "backend": {
            "address": f"127.0.0.1:{port}",
            "client_information": "none",
            "reply_timeout": 1,
        },
    }
    async with submission_site(directory, submission=settings) as site, client_of(site.port) as one:
        answer = await one.send(RECIPIENT)
        assert await one.codes("NOOP") == [250], "the dialogue goes on"
        entries = await site.submission.journal.of_user("alice", 0, 2**40)
        found = [await site.submission.journal.find(entry.id) for entry in entries]
        stands = [one is not None and one.refused_at is None for one in found]
        return answer.code, await site.used(), stands


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "answer", [b"554 5.7.1 no\r\n", b"451 4.3.0 later\r\n", b"", None, b"x\r\n", b"354 what\r\n"]
)
async def test_no_stage_of_trouble_is_acknowledged(
    tmp_path: Path, stage: str, answer: bytes | None
) -> None:
    if answer == b"354 what\r\n" and stage == "DATA":
        pytest.skip("that is the right answer")
    backend = Backend(stage, answer)
    async with listening(backend) as port:
        code, used, stands = await send(tmp_path, port)
    is_final = answer == b"554 5.7.1 no\r\n" and stage not in ("greeting", "EHLO")
    assert code == 554 if is_final else 400 <= code < 500
    assert backend.taken == []
    # Once the final dot is out, an MTA that is lost may have taken the message: it counts.
    is_unknown = stage == "content" and answer in (b"", None, b"x\r\n", b"354 what\r\n")
    assert used == (1 if is_unknown else 0)
    assert stands == {"DATA": [False], "content": [is_unknown]}.get(stage, [])


async def test_an_mta_that_takes_it_counts(tmp_path: Path) -> None:
    backend = Backend("never", b"")
    async with listening(backend) as port:
        assert await send(tmp_path, port) == (250, 1, [True])
    [content] = backend.taken
    assert b"\r\n\r\nHello.\r\n.\r\n" in content


async def test_without_an_mta_mail_waits_at_the_user(tmp_path: Path) -> None:
    assert (await send(tmp_path, 1))[:2] == (451, 0)


@pytest.mark.parametrize(("stage", "used"), [("DATA", 0), ("content", 1)])
async def test_what_is_broken_off_by_a_stop_counts_only_if_the_mta_may_have_it(
    tmp_path: Path, stage: str, used: int
) -> None:
    async with listening(Backend(stage, None)) as port:
        backend = {"address": f"127.0.0.1:{port}", "client_information": "none"}
        settings = {"enabled": True, "backend": backend}
        async with (
            submission_site(tmp_path, submission=settings) as site,
            client_of(site.port) as one,
        ):
            sending = asyncio.create_task(one.send(RECIPIENT))
            async with asyncio.timeout(10):
                while not await site.submission.journal.of_user("alice", 0, 2**40):
                    await asyncio.sleep(0.01)
            await site.service.drain(0.2)
            with pytest.raises(ConversationError):
                await sending
            assert await site.used() == used
            [entry] = await site.submission.journal.of_user("alice", 0, 2**40)
            found = await site.submission.journal.find(entry.id)
            assert found is not None
            assert (found.refused_at is None) == bool(used)


@pytest.mark.peer
async def test_an_upload_may_take_longer_than_the_mta_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without_postfix()
    monkeypatch.setattr(transaction, "_KEEP_ALIVE_SECONDS", 0.5)
    settings = MTA_SETTINGS | {"smtpd_timeout": "2s"}
    with Postfix("mx.alpha.example", f"127.0.0.1:{free_port()}", settings=settings) as mta:
        async with submission_site(tmp_path, mta.listen) as site, client_of(site.port) as one:
            lines = ["MAIL FROM:<alice@alpha.example>", f"RCPT TO:<{RECIPIENT}>", "DATA"]
            assert await one.codes(*lines) == [250, 250, 354]
            one.conversation.send(MESSAGE)
            for _ in range(20):
                one.conversation.send(b"slowly\r\n")
                await asyncio.sleep(0.2)
            assert (await one.say(".")).code == 250
