"""What `countersign setup knot | nsd | bind` takes and prints; real servers run it elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from countersign.cli.dns_servers.bind import bind_configuration, bind_keys
from countersign.cli.dns_servers.knot import knot_configuration, knot_keys
from countersign.cli.dns_servers.nsd import nsd_configuration, nsd_keys
from countersign.cli.dns_servers.plan import Endpoint, Plan, make_plan
from countersign.cli.main import app
from countersign.registry.transfer.keys import TsigKey
from tests.peers.dns_peer import skip_without

runner = CliRunner()
KEY = TsigKey.generate("secondary.example", "hmac-sha384")
REPLICAS = [TsigKey.generate("replica-1.example"), TsigKey.generate("replica-2.example")]
MINIMUM = ("--zone", "registry.example", "--primary", "192.0.2.1")
SERVERS = ["knot", "nsd", "bind"]
CHECKS = {
    "knot": ("knotc", "-c", "{file}", "conf-check"),
    "nsd": ("nsd-checkconf", "{file}"),
    "bind": ("named-checkconf", "{file}"),
}


def run(*arguments: str) -> tuple[int, str]:
    result = runner.invoke(app, ["setup", *arguments])
    return result.exit_code, result.output


def saved(key: TsigKey, directory: Path) -> str:
    path = directory / key.name
    path.write_text(key.to_text())
    path.chmod(0o600)
    return str(path)


def check(server: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Print both files with the same options, and have the server's own checker read them."""
    skip_without(CHECKS[server][0])
    include, file = directory / "keys.conf", directory / "server.conf"
    options = (server, *options, "--include", str(include), "--directory", str(directory))
    if server != "bind":
        options = (*options, "--user", "root")
    for path, more in ((file, ()), (include, ("--keys-only",))):
        code, text = run(*options, *more)
        assert code == 0, text
        path.write_text(text)
    return subprocess.run(
        [part.format(file=file) for part in CHECKS[server]],
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.peer
@pytest.mark.parametrize("server", SERVERS)
def test_the_servers_own_checker_accepts_what_is_printed(server: str, tmp_path: Path) -> None:
    options = [*MINIMUM, "--key-file", saved(KEY, tmp_path)]
    assert check(server, tmp_path, *options).returncode == 0
    options += ["--zone", "addresses.example", "--primary", "[2001:db8::1]:5353"]
    for number, key in enumerate(REPLICAS):
        options += ["--allow-transfer-key", saved(key, tmp_path)]
        options += ["--notify", f"192.0.2.{number + 10}:5300,{key.name}"]
    options += ["--listen", "127.0.0.1:5300", "--listen", "[::1]:5300", "--listen", "127.0.0.2"]
    if server != "nsd":
        options += ["--sign"]
    done = check(server, tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = (tmp_path / "server.conf").read_text()
    assert max(map(len, printed.splitlines())) <= 200


@pytest.mark.peer
@pytest.mark.parametrize("server", SERVERS)
def test_without_a_key_it_says_where_one_comes_from_and_no_server_starts(
    server: str, tmp_path: Path
) -> None:
    done = check(server, tmp_path, *MINIMUM)
    assert done.returncode != 0
    for name in ("server.conf", "keys.conf"):
        text = re.sub(r"\n# ", " ", (tmp_path / name).read_text())
        assert "countersign registrar secondaries add" in text


@pytest.mark.parametrize("server", SERVERS)
def test_secrets_are_in_the_file_of_keys_alone(server: str, tmp_path: Path) -> None:
    options = [server, *MINIMUM, "--key-file", saved(KEY, tmp_path)]
    for key in REPLICAS:
        options += ["--allow-transfer-key", saved(key, tmp_path)]
    code, text = run(*options)
    assert code == 0
    code, keys = run(*options, "--keys-only")
    assert code == 0
    for key in (KEY, *REPLICAS):
        assert key.encoded not in text
        assert keys.count(key.encoded) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("knot", "--zone", "a.example"), "Missing option '--primary'"),
        (("knot", "--zone", "a b", "--primary", "192.0.2.1"), "is no zone"),
        (("knot", "--zone", "a.example", "--primary", "host"), "is no address"),
        (("nsd", "--zone", "a.example", "--primary", "192.0.2.1:0"), "no port from 1 to"),
        (("nsd", *MINIMUM, "--sign"), "NSD does not sign: let Knot or BIND sign"),
        (("bind", *MINIMUM, "--user", "bind"), "named -u USER"),
        (("knot", *MINIMUM, "--user", "a\nb"), "is no user"),
        (("knot", *MINIMUM, "--directory", "relative"), "must be an absolute path"),
        (("knot", *MINIMUM, "--include", '/etc/"'), "must be an absolute path"),
        (("knot", *MINIMUM, "--key-file", "/nonexistent"), "cannot read the key file"),
        (("knot", *MINIMUM, "--notify", "192.0.2.9"), "needs the replica's key too"),
        (("knot", *MINIMUM, "--rate-limit", "0"), "Invalid value for '--rate-limit'"),
        (("bind", *MINIMUM, "--rate-limit", "1001"), "no --rate-limit above 1000"),
    ],
)
def test_what_is_wrong_with_the_options_is_said(options: tuple[str, ...], words: str) -> None:
    code, text = run(*options)
    assert code == 2
    assert words in re.sub(r"[│\s]+", " ", text)


def test_the_key_of_a_notify_is_named_where_there_are_several(tmp_path: Path) -> None:
    options = ["bind", *MINIMUM]
    for key in REPLICAS:
        options += ["--allow-transfer-key", saved(key, tmp_path)]
    code, text = run(*options, "--notify", "192.0.2.9")
    assert (code, "say which key signs" in text) == (2, True)
    code, text = run(*options, "--notify", "192.0.2.9,other.example")
    assert (code, "is none of the keys" in text) == (2, True)
    code, text = run(*options, "--notify", "192.0.2.9, Replica-2.example.")
    assert 'also-notify { 192.0.2.9 port 53 key "replica-2.example"; };' in text


def test_two_secrets_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two keys of the name secondary"):
        make_plan(
            zones=["a.example"],
            primaries=["192.0.2.1"],
            listen=["192.0.2.2"],
            notify=[],
            key=KEY,
            transfer_keys=[TsigKey.generate(KEY.name)],
        )


@pytest.mark.parametrize("server", SERVERS)
def test_the_help_teaches_with_an_example(server: str) -> None:
    code, text = run(server, "--help")
    assert code == 0
    assert f"countersign setup {server} --zone registry.example --primary" in text
    assert "--keys-only" in text


words = st.text(max_size=40) | st.from_regex(r"[a-z0-9.\-]{1,20}", fullmatch=True)


@given(zone=words, address=words, directory=words, user=words)
def test_nothing_that_is_given_leaves_its_place_in_the_configuration(
    zone: str, address: str, directory: str, user: str
) -> None:
    """Any text is refused, or changes no line but those that it belongs to."""

    def plan(zone: str, address: str, directory: str, user: str) -> Plan:
        return make_plan(
            zones=[zone],
            primaries=[address],
            listen=["192.0.2.2"],
            notify=[],
            key=KEY,
            transfer_keys=REPLICAS,
            directory=Path("/" + directory),
            user=user,
        )

    printers = (knot_configuration, nsd_configuration, knot_keys, nsd_keys)
    plain = plan("a.example", "192.0.2.1", "d", "u")
    for given_ in (
        (zone, "192.0.2.1", "d", "u"),
        ("a.example", address, "d", "u"),
        ("a.example", "192.0.2.1", directory, "u"),
        ("a.example", "192.0.2.1", "d", user),
    ):
        try:
            made = plan(*given_)
        except ValueError:
            continue
        for printer in printers:
            text = printer(made)
            assert len(text.splitlines()) == len(printer(plain).splitlines())
            assert text.count('"') == printer(plain).count('"')


@given(words)
def test_an_endpoint_is_an_address_with_a_port_or_a_clear_error(text: str) -> None:
    try:
        endpoint = Endpoint.parse(text)
    except ValueError as error:
        assert str(error)
    else:
        assert 0 < endpoint.port < 65536
        assert re.fullmatch(r"[0-9a-f.:]+", endpoint.address)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("192.0.2.1", Endpoint("192.0.2.1", 53)),
        ("192.0.2.1:5353", Endpoint("192.0.2.1", 5353)),
        ("2001:db8::1", Endpoint("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", Endpoint("2001:db8::1", 5353)),
    ],
)
def test_an_endpoint_is_written_with_or_without_a_port(text: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(text) == endpoint


def test_bind_prints_the_keys_as_its_statements() -> None:
    plan = Plan(("a.example",), (Endpoint("192.0.2.1"),), (Endpoint("192.0.2.2"),), KEY)
    assert f'secret "{KEY.encoded}";' in bind_keys(plan)
    assert "type secondary;" in bind_configuration(plan)
