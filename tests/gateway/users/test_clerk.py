"""What waits for the registrar is carried by the gateway's own process, and told by mail."""

from __future__ import annotations

import time
from pathlib import Path

from countersign.registrar.documents.text import Kind, current
from countersign.storage.submission.account_rows import Deed, Privilege
from countersign.storage.submission.accounts import Accounts
from tests.gateway.clerk.mta import Mta
from tests.gateway.process import GatewayProcess, maildir_gateway
from tests.gateway.users.registrar import Registrar
from tests.gateway.world import free_port

VERSION = current(Kind.PRIVILEGED_USER_AGREEMENT)


async def test_the_clerk_registers_what_waits_and_tells_what_is_refused(
    registrar: Registrar, tmp_path: Path
) -> None:
    registrar.start()
    mta = Mta(free_port())
    await mta.start()
    extra = f"""
[milter]
enabled = true
listen = []
[administrator]
mta = "{mta.endpoint}"
[registrar]
url = "{registrar.url}"
token_file = "{registrar.token_file}"
server = {registrar.server_id}
"""
    gateway: GatewayProcess
    async with maildir_gateway(tmp_path, extra=extra) as gateway:
        await gateway.wait_for_log('"journal head"')
        [store] = tmp_path.rglob("users.db")
        accounts = Accounts(store.parent)
        deed = Deed("root", time.time())
        await accounts.grant("alice", Privilege("a" * 24, "2026-03-01", VERSION), deed)
        await accounts.grant("bob", Privilege("b" * 24, "1999-03-01", VERSION), deed)
        await mta.wait_for(1)
        alice = await accounts.find("alice")
        assert alice is not None and alice.privilege is not None
        assert [one.id for one in registrar.users()] == [alice.privilege.number]
        assert not (await accounts.facts("bob")).is_privileged
        assert "Check the date" in mta.letters[0].get_content()
        log = gateway.log_file.read_text()
        assert registrar.token_file.read_text().strip() not in log
        await accounts.aclose()
    await mta.stop()
