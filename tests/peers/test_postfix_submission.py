"""Real Postfix behind our submission listener, by what `countersign setup postfix` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.cli.snippets import postfix_snippet
from countersign.gateway.config import Config
from tests.gateway.milter.messages import CONTENTS, fields_of
from tests.gateway.milter.site import make_keys, settings_of, signatures_hold
from tests.gateway.submission.site import HOSTNAME, Client, client_of, submission_site
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]


def printed_service(directory: Path, **backend: str) -> str:
    """The lines of master.cf that `setup postfix` prints for a gateway with this backend."""
    submission = {"enabled": True, "backend": backend}
    config = Config.model_validate(
        settings_of(directory, submission=submission, milter={"enabled": False})
    )
    lines = postfix_snippet(config).splitlines()
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("information", ["xclient", "none"])
async def test_mail_goes_through_the_listener_to_postfix_and_arrives_whole(
    tmp_path: Path, information: str
) -> None:
    skip_without_postfix()
    records = make_keys(tmp_path / "state")
    address = f"127.0.0.1:{free_port()}"
    services = printed_service(tmp_path, address=address, client_information=information)
    postfix = Postfix(
        "mx.alpha.example",
        f"127.0.0.1:{free_port()}",
        settings={"virtual_mailbox_maps": "static:alpha.example/user/"},
        services=services,
    )
    backend = {"address": address, "client_information": information}
    with postfix:
        async with submission_site(tmp_path, address, submission={"backend": backend}) as site:
            seen: set[bytes] = set()
            for name, content in CONTENTS.items():
                async with client_of(site.port) as client:
                    answer = await client.send("r@alpha.example", content=_on_the_wire(content))
                    assert answer.code == 250, (name, answer, postfix.log())
                messages = await postfix.wait_for_messages(len(seen) + 1)
                [message] = set(messages) - seen
                seen.add(message)
                assert signatures_hold(message.replace(b"\n", b"\r\n"), records) == [True] * 2, name
                [stamp] = fields_of(message, b"message-tracking")
                assert f"host={HOSTNAME}".encode() in stamp
            assert await site.used() == len(CONTENTS)
        if information == "xclient":
            assert "sasl_username=alice" in postfix.log(), "Postfix knows whose mail it is"


async def test_postfix_takes_mail_there_from_nobody_who_has_not_signed_in(tmp_path: Path) -> None:
    skip_without_postfix()
    address = f"127.0.0.1:{free_port()}"
    services = printed_service(tmp_path, address=address)
    postfix = Postfix("mx.alpha.example", f"127.0.0.1:{free_port()}", services=services)
    with postfix:
        async with client_of(int(address.rpartition(":")[2]), tls=False, user=None) as client:
            answer = await _refused(client)
            assert answer.startswith("554 5.7.1"), answer


async def _refused(client: Client) -> str:
    assert (await client.say("MAIL FROM:<alice@alpha.example>")).code == 250
    return str(await client.say("RCPT TO:<r@beta.example>"))


def _on_the_wire(content: bytes) -> bytes:
    content = content if content.endswith(b"\r\n") else content + b"\r\n"
    return content.replace(b"\r\n.", b"\r\n..")
