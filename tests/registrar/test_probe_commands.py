"""countersign registrar probes, as an operator uses it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from countersign.registrar.operations import probes
from countersign.registrar.operations.office import Office
from tests.probe.rows import add_order, add_probe, order_of
from tests.registrar.commands import Commands
from tests.registrar.conftest import Clock

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def commands(office: Office, clock: Clock, tmp_path: Path) -> Commands:
    """The commands; they go by the real clock, and so does the office."""
    clock.now = datetime.datetime.now(datetime.UTC)
    return Commands(office, tmp_path, "probes")


def test_adding_prints_the_token_alone_on_standard_output(commands: Commands) -> None:
    result = commands("add", "lima", "--network", "192.0.2.0/24", "--as", "64500")
    token = result.stdout.strip()
    assert len(token) > 40
    assert token not in result.stderr
    assert "--network 192.0.2.0/24 --as 64500" in result.stderr
    with commands.office.work() as work:
        probe = probes.enrol(
            work,
            token=token,
            public_key=f"{'A' * 43}=",
            network="192.0.2.0/24",
            as_number=64500,
            version="1",
        )
        assert probe.name == "lima"
    assert commands.records() == ["probe invited", "probe enrolled"]


def test_a_wrong_network_is_refused_in_one_sentence(commands: Commands) -> None:
    result = commands("add", "lima", "--network", "lima", code=1)
    assert "CIDR" in result.stderr
    assert result.stdout == ""


def test_the_list_shows_each_and_warns_of_too_few(commands: Commands) -> None:
    assert "There are no probes" in commands("list").stdout
    number, _ = add_probe(commands.office)
    add_order(commands.office, number)
    result = commands("list")
    for words in ("lima", "well", "192.0.2.0/24", "Lima", " ago"):
        assert words in result.stdout, words
    assert "1 distinct network range, and 4 are needed" in result.stderr


def test_one_is_shown_with_its_key_and_no_token(commands: Commands) -> None:
    add_probe(commands.office)
    text = commands("show", "lima").stdout
    for words in ("192.0.2.0/24", "Enrolled", "Open orders"):
        assert words in text
    key = text.split("Key:")[1].split()[0]
    assert len(key) == 32 and int(key, 16)


def test_revoking_ends_its_orders_and_frees_the_name(commands: Commands) -> None:
    number, _ = add_probe(commands.office)
    order = add_order(commands.office, number)
    assert "revoked" in commands("revoke", "lima").stdout
    assert order_of(commands.office, order).ended_at is not None
    assert "no such probe" in commands("revoke", "lima", code=1).stderr
    assert "no such probe" in commands("show", "lima", code=1).stderr
    commands("add", "lima", "--network", "192.0.2.0/24")
