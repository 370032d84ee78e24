"""The MTA behind the listener refuses, hangs or breaks off: never a 250, never half a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.submission.site import client_of, submission_site
from tests.gateway.test_backend import STAGES, Backend, listening

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
