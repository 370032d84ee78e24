"""The examples of docs/API.md, run as they stand against a real server."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from countersign.demo.dns_server import DnsServer
from countersign.registrar.api.app import declarations
from countersign.registrar.operations import api_tokens, server_keys
from countersign.registrar.operations.office import Actor, Office
from countersign.rules.access import SCOPE_WORDS, Scope
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.holdings import PrivilegedUser
from countersign.storage.database.screening import OffenderQuery
from countersign.storage.database.servers import Server
from tests.registrar.api.programs import Desk
from tests.registrar.api.test_applications import scan
from tests.registrar.operations import life, treasury
from tests.registrar.replication import publish

GUIDE = Path(__file__).parents[3] / "docs" / "API.md"
EXAMPLES = re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
"""The last one hands an application in, after people have done their part."""


def curl() -> str:
    """Return the program; in CI a missing one is a failure."""
    found = shutil.which("curl")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("curl is not installed (.ci/install-packages)")
    if found is None:
        pytest.skip("curl is not installed (.ci/install-packages)")
    return found


@pytest.fixture
def served(office: Office, dns: DnsServer) -> Iterator[Office]:
    """An office whose website and API are served on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        certification = office.config.certification.model_copy(
            update={"nameservers": (dns.endpoint,)}
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        changes = {"url": url, "certification": certification}
        made = dataclasses.replace(office, config=office.config.model_copy(update=changes))
        server = uvicorn.Server(
            uvicorn.Config(Desk(made).app, lifespan="off", access_log=False, log_config=None)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield made
        finally:
            server.should_exit = True
            thread.join(30)


class Shell:
    """Runs examples one after the other; what one sets the next one has."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self._state = folder / "state"
        self._state.touch()
        self._environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **variables}

    def run(self, example: str) -> str:
        # What is set stays set, functions aside.
        script = (
            f". ./state; set -eu -o pipefail\n{example}\ndeclare -p APPLICATION > state || true"
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{example}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_example_of_the_guide_does_what_it_says(
    served: Office, dns: DnsServer, tmp_path: Path
) -> None:
    curl()
    publish(served, 42)
    account_id = life.make_account(served, "agent@helpers.com.au", Role.AGENT)
    server_id = treasury.make_active(served, owner=account_id)
    hostname = treasury.server_of(served, server_id).hostname
    with served.work() as work:
        actor = Actor(Role.OWNER, account_id)
        token = api_tokens.create(work, actor, "Guide", tuple(Scope), server_id=None, days=1)
    folder = tmp_path / "guide"
    folder.mkdir()
    for number, name in enumerate(("licence", "birth", "passport")):
        (folder / f"{name}.png").write_bytes(scan(number))
    shell = Shell(
        folder,
        REGISTRAR=served.config.url,
        TOKEN=token,
        SERVER=str(server_id),
        HOSTNAME=hostname,
    )
    told = [shell.run(example) for example in EXAMPLES[:-1]]
    assert '"sponsors:answer"' in told[0]
    assert hostname in told[1]
    assert '"listed":true' in told[2]
    assert '"serial":42' in told[3]
    assert (folder / "token.header").stat().st_mode & 0o077 == 0
    assert (folder / "traps.json").read_text().count("local_part") == served.config.traps
    assert '"unconfirmed":["account","' in told[-1]
    assert '"missing":[]' in told[-1]
    with served.reading() as work:
        assert work.session.query(PrivilegedUser).one().identifier == "1017"
        assert work.session.query(OffenderQuery).one().purpose == "A new customer."
        server = work.session.get_one(Server, server_id)
        assert [one.selector for one in server_keys.keys_of(work, server)] == ["s2026"]
        begun = work.session.query(Server).filter_by(hostname="mail.muller.com.au").one()
        assert begun.agent_id == account_id
    life.confirm_contacts(served, begun.id)
    dns.set("mail.muller.com.au", "A", "192.0.2.1")
    assert '"state":"submitted"' in shell.run(EXAMPLES[-1])
    assert treasury.state_of(served, begun.id) is State.SUBMITTED


def test_the_guide_names_every_scope() -> None:
    text = GUIDE.read_text()
    for scope in SCOPE_WORDS:
        assert f"| `{scope}` |" in text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_website_has_a_page_that_lists_every_route(desk: Desk) -> None:
    page = desk.stranger().client.get("/api")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    for method, path, access in declarations():
        assert f"<code>{method} /api{path}</code>" in page.text
        assert access.scope is None or f"<code>{access.scope}</code>" in page.text
    assert 'href="/api/v1/openapi.json"' in page.text
    assert 'href="/api"' in desk.stranger().client.get("/about").text
