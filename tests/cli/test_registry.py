"""countersign registry: the zone wherever there is a copy of it, also as Knot serves it."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from countersign.cli.main import app
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import open_office
from countersign.registrar.publishing.publisher import ensure_published, publish
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.file import load_registry_file
from countersign.registry.lookup import Standing
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.zone.names import host_key
from countersign.registry.zone.records import TXT, A, record
from countersign.rules.life_cycle import State
from countersign.settings.file import load_config
from tests.peers.dns_peer import skip_without
from tests.peers.knot import Knot
from tests.peers.rbldnsd import Rbldnsd
from tests.registrar.publishing.making import add_server, change

ZONE = "registry.example"
KEY = TsigKey("test-key", "hmac-sha256", bytes(range(32)))


@dataclass
class Place:
    """A registrar's and a gateway's configuration, and the gateway's replica."""

    directory: Path
    registrar: Path
    gateway: Path
    replica: Path

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(
            app,
            ["registry", "-r", str(self.registrar), "-c", str(self.gateway), *arguments],
            env={"COLUMNS": "200"},
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    registrar = tmp_path / "registrar.toml"
    registrar.write_text(f'zone = "{ZONE}"\nstate_directory = "{tmp_path}/state"\n')
    office = open_office(load_config(registrar, RegistrarConfig))
    try:
        add_server(office, "mail.example.org", State.ACTIVE, "", "192.0.2.25", "2001:db8::25")
        other = add_server(office, "mx.example.com", State.ACTIVE, "", "192.0.2.26")
        ensure_published(office)
        replica = tmp_path / "gateway" / "replica"
        shutil.copytree(tmp_path / "state" / "zone", replica)
        change(office, other, state=State.SUSPENDED, public_reason="It sent spam")
        publish(office)
    finally:
        office.database.close()
    gateway = tmp_path / "gateway.toml"
    gateway.write_text(
        f'hostname = "mx.here.example"\nstate_directory = "{tmp_path}/gateway"\n'
        f'[registry]\nzone = "{ZONE}"\n'
    )
    return Place(tmp_path, registrar, gateway, replica)


def test_a_host_is_shown_as_each_copy_has_it(place: Place) -> None:
    shown = place.run("show", "mx.example.com", "--from", "primary", "--from", "replica")
    assert shown.exit_code == 0, shown.output
    first, second = shown.output.split("replica:")
    assert "suspended (It sent spam)" in first
    assert "registered" in second
    assert f"mx.example.com.{ZONE}. 300 IN A 127.0.0.2" in second
    assert f"mx.example.com._vouch.{ZONE}. 300 IN TXT" in second


def test_what_the_dns_says_is_shown_beside_the_copies(place: Place) -> None:
    skip_without("knotd")
    zone = place.directory / "zone"
    place.run("export", "--from", "primary", "--output", str(zone))
    with Knot(ZONE, zone_text=zone.read_text()) as knot:
        place.gateway.write_text(
            place.gateway.read_text()
            + f'security = "none"\n[dns]\nnameservers = ["{knot.listen}"]\n'
        )
        shown = place.run("show", "mx.example.com").output
        assert "dns: suspended" in shown
        assert "replica: serial" in shown
    place.gateway.write_text(place.gateway.read_text() + "timeout = 0.2\nlifetime = 0.5\n")
    assert "dns: cannot tell" in place.run("show", "mx.example.com").output


def test_an_address_is_shown(place: Place) -> None:
    shown = place.run("show", "192.0.2.25", "--from", "primary")
    assert "registered" in shown.output
    assert "host=mail.example.org" in shown.output
    assert "absent" in place.run("show", "192.0.2.99", "--from", "primary").output


def test_what_differs_is_told_by_name(place: Place) -> None:
    same = place.run("diff", "database", "primary", "--content")
    assert same.exit_code == 0, same.output
    differing = place.run("diff", "replica", "primary", "--content")
    assert differing.exit_code == 1
    assert f"- mx.example.com.{ZONE}. 300 IN A 127.0.0.2" in differing.output
    assert "+ mx.example.com" in differing.output
    assert "mail.example.org" not in differing.output


def test_all_copies_are_verified(place: Place) -> None:
    behind = place.run("verify")
    assert behind.exit_code == 1
    assert "names differ" in behind.output
    shutil.rmtree(place.replica)
    shutil.copytree(place.directory / "state" / "zone", place.replica)
    good = place.run("verify")
    assert good.exit_code == 0, good.output
    assert good.output.count("ZONEMD right, sum right") == 2


def test_a_source_that_cannot_be_read_is_a_finding_and_not_the_end(place: Place) -> None:
    shutil.rmtree(place.replica)
    found = place.run("verify")
    assert found.exit_code == 1
    assert "the same" in found.output
    for name in ("nonsense", "secondary:nobody"):
        unknown = place.run("show", "mail.example.org", "--from", name)
        assert unknown.exit_code == 1, unknown.output
        assert name in unknown.output


@pytest.mark.parametrize("form", ["toml", "json"])
def test_a_copy_is_exported_as_a_gateways_registry_file(place: Place, form: str) -> None:
    file = place.directory / f"registry.{form}"
    made = place.run("export", "--from", "primary", "--format", form, "--output", str(file))
    assert made.exit_code == 0, made.output
    entries = load_registry_file(file)
    assert {name: entry.standing for name, entry in entries.items()} == {
        "mail.example.org": Standing.REGISTERED,
        "mx.example.com": Standing.SUSPENDED,
    }
    assert entries["mx.example.com"].reason == "It sent spam"
    if form == "toml":
        tomllib.loads(file.read_text())


def test_knot_serves_what_is_exported_and_is_found_to_say_the_same(place: Place) -> None:
    skip_without("knotd")
    zone = place.directory / "zone"
    assert place.run("export", "--from", "primary", "--output", str(zone)).exit_code == 0
    file = place.directory / "test.key"
    file.touch(mode=0o600)
    file.write_text(KEY.to_text() + "\n")
    with Knot(ZONE, zone_text=zone.read_text(), transfer_keys=[KEY]) as knot:
        same = place.run("--key-file", str(file), "verify", "primary", knot.listen)
        assert same.exit_code == 0, same.output
        assert same.output.count("ZONEMD right, sum right") == 2


def test_rbldnsd_serves_what_is_exported(place: Place) -> None:
    skip_without("rbldnsd")
    data = {}
    for kind, form in (("dnset", "rbldnsd-names"), ("ip4trie", "rbldnsd-addresses")):
        file = place.directory / form
        place.run("export", "--from", "replica", "--format", form, "--output", str(file))
        # A set of addresses has one family.
        lines = [line for line in file.read_text().splitlines() if "2001:db8" not in line]
        data[kind] = "\n".join(lines) + "\n"
    with Rbldnsd(ZONE, data) as server:
        for name in ("mail.example.org", "test", "25.2.0.192"):
            [answer] = server.ask(f"{name}.{ZONE}").answer
            assert answer[0].address == "127.0.0.2"
        assert not server.ask(f"absent.example.org.{ZONE}").answer


def test_help_names_the_sources_and_says_where_options_go() -> None:
    shown = CliRunner().invoke(app, ["registry", "--help"], terminal_width=200)
    for word in ("database", "primary", "secondary:NAME", "replica", "before the command"):
        assert word in shown.output


def test_a_copy_with_a_name_that_cannot_be_read_is_not_exported_without_it(tmp_path: Path) -> None:
    directory, output = tmp_path / "copy", tmp_path / "registry.toml"
    key = host_key("odd.example.org")
    with ZoneCopy.open(directory, writable=True) as copy, copy.replacing() as new:
        new.put(key, record(A, 60, bytes((127, 0, 0, 9))))
        new.add(key, record(TXT, 60, b"\xffcut off"))
        new.commit(zone=ZONE, serial=1, checked_at=1.0)
    options = ["registry", "--zone", ZONE]
    runner = CliRunner()
    exported = ["export", "--from", str(directory), "--format", "toml", "--output", str(output)]
    result = runner.invoke(app, [*options, *exported])
    assert result.exit_code == 1
    assert "odd.example.org" in result.output
    assert list(tmp_path.iterdir()) == [directory]
    result = runner.invoke(app, [*options, "show", "odd.example.org", "--from", str(directory)])
    assert result.exit_code == 0
    assert "cannot tell" in result.output
    assert "TXT \\# 8" in result.output
