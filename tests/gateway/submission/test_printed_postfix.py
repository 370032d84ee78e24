"""What `countersign setup postfix` prints for the listener makes a real Postfix take its mail."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.cli.submission_snippets import postfix_behind_listener
from countersign.gateway.backend.settings import ClientInformation
from tests.gateway.submission.conftest import MTA_SETTINGS
from tests.gateway.submission.site import Client, client_of, submission_site
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix

pytestmark = pytest.mark.peer


def options_of(snippet: str) -> dict[str, str]:
    lines = (line.strip() for line in snippet.splitlines())
    options = [line.removeprefix("-o ") for line in lines if line.startswith("-o ")]
    return dict(option.split("=", 1) for option in options)


@pytest.mark.parametrize("how", ClientInformation)
async def test_postfix_takes_what_users_submit_and_nothing_else(
    tmp_path: Path, how: ClientInformation
) -> None:
    skip_without_postfix()
    address = f"127.0.0.1:{free_port()}"
    settings = {"enabled": True, "backend": {"address": address, "client_information": how.value}}
    async with submission_site(tmp_path, submission=settings) as site:
        snippet = postfix_behind_listener(site.config)
        assert f"\n{address} inet" in snippet
        # mynetworks and relay restrictions as they are where mail comes in from the world.
        main = {
            name: value
            for name, value in MTA_SETTINGS.items()
            if name in ("virtual_mailbox_maps", "header_checks", "smtputf8_enable")
        } | {"transport_maps": "inline:{elsewhere.example=discard:}"}
        with Postfix(
            "mx.alpha.example", address, settings=main, smtpd_options=options_of(snippet)
        ) as mta:
            async with client_of(site.port) as client:
                answer = await client.send("to1@alpha.example", "somebody@elsewhere.example")
                assert answer.code == 250, f"{answer}\n{mta.log()}"
                assert await site.used() == 2
            await mta.wait_for_messages(1)
            await mta.wait_for_log("to=<somebody@elsewhere.example>")
            if how is ClientInformation.XCLIENT:
                assert "sasl_username=alice" in mta.log()
                await refuses_relaying(address)


async def test_postfix_can_hold_users_to_their_addresses(tmp_path: Path) -> None:
    skip_without_postfix()
    address = f"127.0.0.1:{free_port()}"
    async with submission_site(tmp_path, address) as site:
        options = options_of(postfix_behind_listener(site.config))
        options["smtpd_sender_restrictions"] = "reject_authenticated_sender_login_mismatch"
        main = {
            "virtual_mailbox_maps": MTA_SETTINGS["virtual_mailbox_maps"],
            "smtpd_sender_login_maps": "inline:{alice@alpha.example=alice bob@alpha.example=bob}",
        }
        with Postfix("mx.alpha.example", address, settings=main, smtpd_options=options):
            async with client_of(site.port) as client:
                answer = await client.send("to1@alpha.example", sender="bob@alpha.example")
                assert answer.code == 553
                assert (await client.send("to1@alpha.example")).code == 250
        assert await site.used() == 1


async def refuses_relaying(address: str) -> None:
    """Whoever reaches the port and names no user can relay nothing."""
    async with client_of(int(address.rpartition(":")[2]), tls=False) as client:
        assert isinstance(client, Client)
        lines = ("MAIL FROM:<alice@alpha.example>", "RCPT TO:<somebody@elsewhere.example>")
        assert await client.codes(*lines) == [250, 554]
