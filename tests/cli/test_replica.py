"""countersign replica, and what `check config` says of a gateway's copy."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from countersign.cli.configurations import replica_example
from countersign.cli.main import app
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.notes import (
    ACCEPT_SHRINK,
    RESET,
    Shrink,
    State,
    word_of,
    write_state,
)
from countersign.registry.replica.settings import ReplicaConfig
from countersign.registry.zone.names import host_key
from countersign.settings.file import parse_config
from tests.gateway.world import free_port
from tests.registry.replica.running import KEY
from tests.registry.replica.zones import NAME, Zone

runner = CliRunner()


def run(*arguments: str) -> tuple[int, str]:
    result = runner.invoke(app, list(arguments), env={"COLUMNS": "200"})
    return result.exit_code, result.output + result.stderr


def configured(directory: Path, text: str = "") -> str:
    file = directory / "replica.toml"
    file.write_text(f'zone = "{NAME}"\nstate_directory = "{directory}"\n{text}')
    return str(file)


def write_copy(directory: Path, zone: Zone, age: float = 0.0) -> None:
    with ZoneCopy.open(directory / "replica", writable=True) as copy, copy.replacing() as new:
        for key, node in zone.nodes.items():
            new.put(key, node)
        new.commit(
            zone=NAME, serial=zone.serial, checked_at=time.time() - age, source="192.0.2.1:53"
        )


def test_status_tells_of_a_copy_and_fails_for_a_stale_one(tmp_path: Path) -> None:
    file, zone = configured(tmp_path), Zone()
    code, text = run("replica", "-c", file, "status")
    assert code == 1
    assert "there is none yet" in text
    write_copy(tmp_path, zone, age=60)
    code, text = run("replica", "status", "-c", file)
    assert code == 0
    for words in (NAME, str(zone.serial), "0:01:0", "192.0.2.1:53", "not running"):
        assert words in text
    write_copy(tmp_path, zone, age=2 * 86400)
    write_state(
        tmp_path / "replica", State(error="nobody answers", error_at=1.0, process=2**22 - 1)
    )
    code, text = run("replica", "status", "-c", file)
    assert code == 1
    assert "STALE" in text
    assert "nobody answers" in text
    code, text = run("replica", "status", "--json", "-c", file)
    values = json.loads(text)
    assert (code, values["stale"], values["kept"]) == (1, True, False)
    assert values["copy"]["serial"] == zone.serial


def test_status_tells_of_a_copy_of_another_zone(tmp_path: Path) -> None:
    write_copy(tmp_path, Zone())
    file = tmp_path / "replica.toml"
    file.write_text(f'zone = "other.example"\nstate_directory = "{tmp_path}"\n')
    code, text = run("replica", "status", "-c", str(file))
    assert code == 1
    assert "not of other.example" in text


def test_verify_finds_what_was_changed(tmp_path: Path) -> None:
    file = configured(tmp_path)
    assert run("replica", "verify", "-c", file)[0] == 1
    zone = Zone()
    write_copy(tmp_path, zone)
    code, text = run("replica", "verify", "-c", file)
    assert code == 0
    assert f"all {zone.records} records are right" in text
    del zone.nodes[host_key("mail1.example.org")]
    write_copy(tmp_path, zone)
    code, text = run("replica", "verify", "-c", file)
    assert code == 1
    assert "not what its digest" in text


def test_an_operators_words_are_left_for_the_replica(tmp_path: Path) -> None:
    file, directory = configured(tmp_path), tmp_path / "replica"
    write_copy(tmp_path, Zone())
    code, text = run("replica", "accept-shrink", "-c", file)
    assert code == 1
    assert "no transfer was refused" in text
    write_state(directory, State(shrink=Shrink(serial=9, before=1000, after=500)))
    code, text = run("replica", "accept-shrink", "-c", file)
    assert code == 0
    assert "from 1,000 to about 500" in text
    assert word_of(directory, ACCEPT_SHRINK) == {"records": 500}
    assert run("replica", "reset", "-c", file)[0] == 1, "nobody said yes"
    assert word_of(directory, RESET) is None
    assert run("replica", "reset", "--yes", "-c", file)[0] == 0
    assert word_of(directory, RESET) == {}


def test_a_replica_needs_primaries_and_a_key_that_can_be_read(tmp_path: Path) -> None:
    code, text = run("replica", "-c", configured(tmp_path))
    assert code == 1
    assert "primaries must name where to transfer from" in text
    section = f'[replica]\nprimaries = ["192.0.2.1:53"]\nkey_file = "{tmp_path}/no.key"\n'
    code, text = run("replica", "-c", configured(tmp_path, section))
    assert code == 1
    assert "cannot read the key file" in text
    code, text = run("replica", "status", "-c", configured(tmp_path, "[replica]\nprimary = 1\n"))
    assert code == 2
    assert "is primaries meant?" in text


def test_the_printed_example_of_a_replica_is_a_valid_configuration() -> None:
    assert parse_config(replica_example(), ReplicaConfig).zone == "registry.example"
    assert run("setup", "replica")[1].strip() == replica_example().strip()


GATEWAY = """\
hostname = "mail.example.org"
state_directory = "{directory}"
[receiving]
enabled = false
[dns]
nameservers = ["127.0.0.1:{port}"]
timeout = 0.2
lifetime = 0.4
[registry]
zone = "registry.example"
{text}
"""


def gateway(directory: Path, text: str = "") -> str:
    file = directory / "gateway.toml"
    file.write_text(GATEWAY.format(directory=directory, text=text, port=free_port()))
    return str(file)


def warnings_of(file: str) -> str:
    code, text = run("check", "config", file)
    assert code == 1, text
    return text


def test_check_tells_of_wrong_keys_primaries_and_copies(tmp_path: Path) -> None:
    assert "primaries: none is given" in warnings_of(gateway(tmp_path))
    port = free_port()
    section = (
        f'[registry.replica]\nprimaries = ["127.0.0.1:{port}"]\n'
        f'key_file = "{tmp_path}/replica.key"\nquestion_timeout = 0.5\n'
    )
    assert "cannot read the key file" in warnings_of(gateway(tmp_path, section))
    key_file = tmp_path / "replica.key"
    key_file.write_text(KEY.to_text())
    assert "can be read by everybody" in warnings_of(gateway(tmp_path, section))
    key_file.chmod(0o600)
    text = warnings_of(gateway(tmp_path, section))
    assert f"127.0.0.1:{port}: the primary cannot be reached" in text
    assert "registry.replica: there is no copy" not in text
    by_another = gateway(tmp_path, section + "run = false\n")
    assert "registry.replica: there is no copy" in warnings_of(by_another)
    write_copy(tmp_path, Zone(), age=2 * 86400)
    assert "the copy is stale" in warnings_of(gateway(tmp_path, section))
    assert run("check", "config", "--faults-only", gateway(tmp_path, section))[0] == 0


@pytest.mark.parametrize("kind", ["file", "dns"])
def test_a_gateway_without_a_copy_has_no_replica_to_show(tmp_path: Path, kind: str) -> None:
    file = gateway(tmp_path, f'kind = "{kind}"\n')
    code, text = run("replica", "status", "-c", file)
    assert code == 2
    assert 'registry.kind is not "replica"' in text


def test_the_replica_of_a_gateway_is_shown_by_the_gateways_file(tmp_path: Path) -> None:
    zone = Zone()
    write_copy(tmp_path, zone)
    code, text = run("replica", "status", "-c", gateway(tmp_path))
    assert code == 0
    assert str(zone.serial) in text
