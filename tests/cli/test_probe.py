"""countersign probe, as its operator uses it where nothing is set up yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from countersign.cli.main import app


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The configuration of a probe that is not enrolled."""
    made = tmp_path / "probe.toml"
    made.write_text(f'state_directory = "{tmp_path}/state"\n')
    return made


def run(*arguments: str, code: int = 1, given: str = "") -> Result:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["probe", *arguments], input=given)
    assert result.exit_code == code, result.output + result.stderr
    return result


@pytest.mark.parametrize("command", [[], ["run"], ["status"]])
def test_a_probe_that_is_not_enrolled_says_how_that_is_done(file: Path, command: list[str]) -> None:
    where = ["--config", str(file)]
    arguments = [*command, *where] if command else where
    assert "countersign probe enrol --registrar URL" in run(*arguments).stderr


def test_enrolling_goes_to_no_other_machine_without_tls(file: Path) -> None:
    result = run(
        *("enrol", "--config", str(file), "--registrar", "http://registrar.example"),
        *("--token", "-", "--network", "192.0.2.0/24"),
        given="secretive\n",
    )
    assert "https://" in result.stderr
    assert "secretive" not in result.output + result.stderr


def test_a_registrar_that_is_away_is_told_and_the_token_is_not(file: Path) -> None:
    result = run(
        *("enrol", "--config", str(file), "--registrar", "http://127.0.0.1:1"),
        *("--token", "secretive", "--network", "192.0.2.0/24"),
    )
    assert "cannot be asked" in result.stderr
    assert "Try again with the same token" in result.stderr
    assert "secretive" not in result.output + result.stderr


def test_faults_of_the_configuration_are_told_with_their_lines(file: Path) -> None:
    file.write_text('registrar = "https://registrar.example/x"\nconcurrency = 0\n')
    text = run("status", "--config", str(file), code=2).stderr
    assert "line 1: registrar: " in text
    assert "line 2: concurrency: " in text
