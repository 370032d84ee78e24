"""The command line as an operator uses it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from countersign.cli.configurations import gateway_example, whole_reference
from countersign.cli.main import app
from countersign.cli.units import Unit, systemd_unit
from countersign.gateway.config import Config
from countersign.settings.file import ConfigError, parse_config
from countersign.storage.local import LocalTables
from countersign.storage.tables import Block

runner = CliRunner()
ROOT = Path(__file__).parent.parent.parent


def run(*arguments: str) -> tuple[int, str]:
    result = runner.invoke(app, list(arguments))
    return result.exit_code, result.output + result.stderr


def configured(directory: Path, text: str = "") -> str:
    (directory / "registry.toml").write_text('[[server]]\nhostname = "mail.example.org"\n')
    file = directory / "gateway.toml"
    file.write_text(
        f'hostname = "mail.example.org"\nstate_directory = "{directory}/state"\n{text}\n'
        f'[registry]\nkind = "file"\npath = "{directory}/registry.toml"\n'
    )
    return str(file)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("hostname = \n", 1, "Invalid value"),
        ("workers = 1\n", 0, "hostname: this setting has no default"),
        ('hostname = "a.example"\nworkers = -1\n', 2, "workers: Input should be greater"),
        (
            'hostname = "a.example"\n[verification]\nsuspend_second = 3\n',
            3,
            "suspend_seconds meant",
        ),
        ('hostname = "a.example"\n[receiving]\nlisten = ["nowhere"]\n', 3, "ADDRESS:PORT"),
        ('hostname = "a.example"\n[receiving.backend]\nkind = "x"\n', 3, "kind"),
        ('hostname = "a.example"\n[registry]\nkind = "dns"\n', 2, "zone must be given"),
        ('hostname = "a b"\n', 1, "hostname"),
    ],
)
def test_faults_have_their_line_setting_and_reason(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, Config)
    [fault] = caught.value.faults
    assert fault.line == line
    assert words in str(fault)


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_a_clear_error(text: str) -> None:
    try:
        assert isinstance(parse_config(text, Config), Config)
    except ConfigError as error:
        assert error.faults


def test_submitted_mail_goes_to_a_port_of_its_own_whatever_else_is_said_of_it() -> None:
    example = gateway_example()
    shown = example[example.index("[submission.backend]") :]
    assert shown.index("127.0.0.1:10587") < shown.index("[milter]")
    text = example + '\n[submission.backend]\nclient_information = "proxy"\n'
    config = parse_config(text.replace("[submission.backend]\n", "", 1), Config)
    assert config.submission.backend.address == "127.0.0.1:10587"
    assert config.receiving.backend.address == "127.0.0.1:10025"


def test_the_printed_example_is_a_valid_configuration() -> None:
    assert parse_config(gateway_example(), Config).hostname == "mail.example.org"
    # Also with every commented default in force, but those that have no text form.
    lines = [
        line.removeprefix("# ") if " = " in line and not line.endswith('= ""') else line
        for line in gateway_example().splitlines()
    ]
    assert (
        parse_config("\n".join(lines), Config).model_dump()
        == parse_config(gateway_example(), Config).model_dump()
    )


def test_committed_files_are_those_that_the_code_prints() -> None:
    assert (ROOT / "docs/CONFIGURATION.md").read_text() == whole_reference()
    for unit in Unit:
        assert (ROOT / f"deploy/countersign-{unit}.service").read_text() == systemd_unit(unit)


def test_check_config_warns_of_a_backend_that_does_not_answer(tmp_path: Path) -> None:
    file = configured(tmp_path, '[receiving.backend]\naddress = "127.0.0.1:1"\n')
    code, text = run("check", "config", file)
    assert code == 1
    assert "127.0.0.1:1 does not answer" in text
    code, text = run("check", "config", str(tmp_path / "absent.toml"))
    assert code == 2
    assert "countersign setup config" in text
    file = configured(tmp_path, "[receiving]\nenabled = false\n")
    assert run("check", "config", file)[0] == 0


def test_blocks_are_shown_and_lifted(tmp_path: Path) -> None:
    file = configured(tmp_path)
    assert "No address is blocked" in run("admin", "blocks", "-c", file)[1]

    async def block() -> None:
        tables = LocalTables(tmp_path / "state")
        now = time.time()
        await tables.block(Block("192.0.2.1", "h.example", "false", now, now + 60))
        await tables.aclose()

    asyncio.run(block())
    assert "192.0.2.1" in run("admin", "blocks", "-c", file)[1]
    assert run("admin", "unblock", "192.0.2.1", "-c", file)[0] == 0
    assert run("admin", "unblock", "192.0.2.1", "-c", file)[0] == 1
    assert run("admin", "unblock", "nonsense", "-c", file)[0] == 2


def test_snippets_and_help(tmp_path: Path) -> None:
    file = configured(tmp_path)
    code, text = run("setup", "postfix", "-c", file)
    assert code == 0
    assert "default_transport = lmtp:inet:127.0.0.1:10024" in text
    assert "smtpd_authorized_xclient_hosts=" in text
    code, text = run("setup", "exim", "-c", file)
    assert code == 2
    assert "set receiving.backend.client_information to 'proxy'" in text
    for command in (["--help"], ["gateway", "--help"], ["check", "--help"], ["demo", "--help"]):
        assert run(*command)[0] == 0
