"""A key that signs mail: from `countersign keys` by the registrar's API into everybody's DNS."""

from __future__ import annotations

import time
from pathlib import Path

import dkim
import pytest
from typer.testing import CliRunner

from countersign.cli.main import app
from countersign.gateway.submission.keys import KeyKind, KeyState, KeyStore, key_directory
from countersign.gateway.submission.signing import Signer
from countersign.mail.dkim.body import BodyHasher
from countersign.registrar.operations import api_tokens
from countersign.registrar.operations.office import Actor
from countersign.rules.access import Scope
from countersign.rules.roles import Role
from tests.chain.chain import Chain
from tests.chain.data import ZONE
from tests.chain.waiting import until
from tests.peers import dns_questions
from tests.peers.dns_peer import skip_without
from tests.peers.knot import Knot
from tests.peers.unbound import Unbound
from tests.registrar.operations import treasury

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]

DAY = 86400.0
FIELDS, BODY = (b"From: a@example.com\r\n", b"Subject: Hi\r\n"), b"Text\r\n"


class Gateway:
    """The gateway's side: its configuration, its keys, the command."""

    def __init__(self, running: Chain, directory: Path, server: int, resolver: str) -> None:
        office = running.registrar.office
        self.host = treasury.server_of(office, server).hostname
        owner = treasury.server_of(office, server).owner_id
        scopes = (Scope.READ_HOLDINGS, Scope.WRITE_HOLDINGS)
        with office.work() as work:
            actor = Actor(Role.OWNER, owner)
            token = api_tokens.create(work, actor, "Gateway", scopes, server_id=server, days=1)
        directory.mkdir()
        (directory / "token").write_text(token)
        self.file = directory / "gateway.toml"
        self.file.write_text(
            f'hostname = "{self.host}"\nstate_directory = "{directory}"\n'
            f'[registry]\nkind = "dns"\nzone = "{ZONE}"\n'
            f'[dns]\nnameservers = ["{resolver}"]\ntimeout = 0.5\nlifetime = 1\n'
            f'[registrar]\nurl = "{office.config.url}"\ntoken_file = "{directory / "token"}"\n'
        )
        self.resolver = resolver
        self.store = KeyStore(key_directory(directory))
        self.signer = Signer(self.store.directory, self.host)

    def run(self, *arguments: str, code: int = 0) -> str:
        command = ["keys", *arguments, "--config", str(self.file)]
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, command)
        assert result.exit_code == code, result.output + result.stderr
        return result.output

    def states(self) -> dict[str, KeyState]:
        return {key.selector: key.state for key in self.store.all()}

    def record(self, name: bytes | str, **_: object) -> bytes | None:
        """Ask the DNS as a verifier does."""
        text = name.decode() if isinstance(name, bytes) else name
        answer = dns_questions.ask(self.resolver, text.rstrip("."), "TXT")
        found = answer.resolve_chaining().answer
        return b"".join(found[0].strings) if found is not None else None

    def signed(self) -> tuple[bytes, int]:
        """Return a message as it is signed now, and the number of its signatures."""
        hasher = BodyHasher()
        hasher.feed(BODY)
        signatures = self.signer.sign(FIELDS, hasher.digest(), time.time())
        return b"".join((*signatures, *FIELDS, b"\r\n", BODY)), len(signatures)

    def verifies(self, message: bytes, count: int) -> list[bool]:
        results = []
        for index in range(count):
            try:
                results.append(dkim.DKIM(message).verify(index, dnsfunc=self.record))
            except dkim.DKIMException:
                results.append(False)
        return results


def test_keys_are_published_used_rotated_and_revoked(running: Chain, tmp_path: Path) -> None:
    skip_without("unbound")
    registrar = running.registrar
    registry = running.add_server("knot")
    running.wait_until_equal()
    server, host = registrar.lively[0]
    # What `keys show` prints for the host's own zone, put there once.
    zone_text = "@ 60 SOA ns hostmaster 1 60 60 600 1\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
    alias = f"_domainkey.{host}. 60 DNAME _domainkey.{host}.{ZONE}."
    with (
        Knot(host, zone_text=f"$ORIGIN {host}.\n{zone_text}{alias}\n") as own,
        Unbound({ZONE: registry.link.endpoint, host: own.listen}) as resolver,
    ):
        gateway = Gateway(running, tmp_path / "gateway", server, resolver.listen)
        assert alias.replace(" 60 ", " ") in gateway.run("show")

        def rotate_until(*wanted: KeyState) -> None:
            """Rotate, as a timer would, until the keys have come so far."""
            until(
                lambda: gateway.run("rotate") and tuple(gateway.states().values()) == wanted,
                f"the keys are {wanted}",
                otherwise=lambda: (gateway.states(), gateway.run("rotate"), running.logs()),
            )

        rotate_until(KeyState.SIGNING, KeyState.SIGNING)
        first, count = gateway.signed()
        assert count == 2
        assert gateway.verifies(first, count) == [True, True]

        # Half a year later: the old keys stay in the DNS, the new ones sign.
        old = list(gateway.states())
        with gateway.store.file.changing() as keys:
            for name, key in keys.items():
                keys[name] = key.moved(KeyState.SIGNING, time.time() - 181 * DAY)
        retired, signing = [KeyState.RETIRED] * 2, [KeyState.SIGNING] * 2
        rotate_until(*retired, *signing)
        until(
            lambda: (
                gateway.verifies(*gateway.signed()) == [True, True]
                and old[0].encode() not in gateway.signed()[0]
            ),
            "the new keys sign",
        )
        assert gateway.verifies(first, count) == [True, True]

        # And a fortnight after that the old ones are gone.
        with gateway.store.file.changing() as keys:
            for name in old:
                keys[name] = keys[name].moved(KeyState.RETIRED, time.time() - 15 * DAY)
        rotate_until(KeyState.REVOKED, KeyState.REVOKED, *signing)
        until(lambda: gateway.verifies(first, count) == [False, False], "the old keys are gone")
        assert gateway.verifies(*gateway.signed()) == [True, True]

        # Step by step, and again: what is done already is done once.
        gateway.run("make", "--kind", "ed25519", "--selector", "extra")
        gateway.run("publish", "extra")
        assert "cannot become" in _error(gateway, "publish", "extra")
        until(lambda: not CliRunner().invoke(app, _activate(gateway)).exit_code, "extra is seen")
        assert gateway.states()["extra"] is KeyState.SIGNING


def test_a_registrar_that_is_away_or_answers_twice_costs_no_key(
    running: Chain, tmp_path: Path
) -> None:
    registrar = running.registrar
    server, _ = registrar.lively[0]
    gateway = Gateway(running, tmp_path / "gateway", server, "127.0.0.1:9")
    registrar.kill()
    assert "failed" in _error(gateway, "rotate")
    assert set(gateway.states().values()) == {KeyState.MADE}
    registrar.start()
    made = gateway.states()
    gateway.run("publish")
    # The registrar had it, and we died before we noted it.
    with gateway.store.file.changing() as keys:
        for name in made:
            keys[name] = keys[name].model_copy(update={"state": KeyState.MADE})
    gateway.run("publish")
    assert gateway.states() == dict.fromkeys(made, KeyState.PUBLISHED)
    for name in made:
        gateway.run("revoke", name)
    assert gateway.states() == dict.fromkeys(made, KeyState.REVOKED)
    # A selector that another gateway of this server has taken.
    other = KeyStore(tmp_path / "other")
    other.make(KeyKind.ED25519, 0.0, selector="shared")
    gateway.run("make", "--kind", "ed25519", "--selector", "shared")
    gateway.run("publish", "shared")
    with gateway.store.file.changing() as keys:
        keys["shared"] = keys["shared"].model_copy(
            update={"state": KeyState.MADE, "record": other.key("shared").record}
        )
    assert "another key with selector" in _error(gateway, "publish", "shared")


def test_two_gateways_of_one_name_find_selectors_of_their_own(
    running: Chain, tmp_path: Path
) -> None:
    server, _ = running.registrar.lively[0]
    first, second = (
        Gateway(running, tmp_path / name, server, "127.0.0.1:9") for name in ("first", "second")
    )
    for gateway in (first, second):
        gateway.run("make")
        assert next(iter(gateway.states())).endswith("a")
    first.run("publish")
    assert "another key will be made" in second.run("rotate")
    second.run("rotate")
    second.run("rotate")
    [ours, theirs] = (
        {name for name, state in one.states().items() if state is KeyState.PUBLISHED}
        for one in (first, second)
    )
    assert len(ours) == len(theirs) == 2
    assert not ours & theirs


def _activate(gateway: Gateway) -> list[str]:
    return ["keys", "activate", "extra", "--config", str(gateway.file)]


def _error(gateway: Gateway, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["keys", *arguments, "--config", str(gateway.file)])
    assert result.exit_code == 1, result.output
    return result.output + result.stderr
