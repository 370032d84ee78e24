"""Every test of the battery says what it means, and what to do about it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from countersign.certification import advice
from countersign.certification.advice import NONE, Software, advice_for
from countersign.certification.catalogue import all_tests
from countersign.cli.configurations import whole_reference
from tests.peers.postfix import skip_without_postfix

NAMES = [test.name for test in all_tests()]
SENDING = ("sender-session-id", "sender-true", "sender-once", "sender-forgotten")


def named() -> set[str]:
    """All names in the files, but for patterns."""
    return {
        name
        for file in Path(advice.__file__).parent.glob("*.toml")
        for entry in tomllib.loads(file.read_text())["advice"]
        for name in entry["tests"]
        if "*" not in name
    }


@pytest.mark.parametrize("name", [*NAMES, *SENDING])
def test_every_test_has_advice_for_every_program(name: str) -> None:
    found = advice_for(name)
    assert found is not NONE
    assert 40 < len(found.why) < 700
    assert set(found.fix) == set(Software)
    assert all(20 < len(text) < 1600 for text in found.fix.values())


def test_no_advice_is_for_a_test_that_there_is_not() -> None:
    assert named() <= {*NAMES, *SENDING}


def test_a_name_that_nobody_knows_has_no_advice_and_no_error() -> None:
    assert advice_for("nothing-of-the-kind") is NONE
    assert advice_for("") is NONE


def test_the_most_precise_name_wins() -> None:
    assert "percent hack" in advice_for("relay-percent-host").why
    assert "percent hack" in advice_for("relay-quoted-percent").why
    assert "quotes away" in advice_for("relay-quoted-host").why
    assert advice_for("relay-of-a-new-kind") == advice_for("relay-from-foreign")


def test_settings_stand_on_lines_of_their_own_and_prose_flows() -> None:
    lines = advice_for("smuggling").fix[Software.POSTFIX].splitlines()
    assert "    smtpd_forbid_bare_newline = normalize" in lines
    assert all(line == line.rstrip() and line for line in lines)
    assert "\n" not in advice_for("smuggling").why


def test_what_is_the_same_for_all_programs_is_said_once() -> None:
    assert "PTR" in advice_for("reverse-dns").common
    assert advice_for("starttls").common == ""


def test_the_verification_names_settings_of_our_own_gateway() -> None:
    for name in ("verification", "verification-suspension", "sender-true", "control"):
        assert advice_for(name).gateway
    reference = whole_reference()
    for name in (*NAMES, *SENDING):
        for section, setting in re.findall(
            r"(receiving|verification|tls|storage|sending)\.([a-z_]+)", advice_for(name).gateway
        ):
            assert f"`{setting}`" in reference or f".{setting}]" in reference, (section, setting)


@pytest.mark.peer
def test_settings_of_postfix_are_such_that_postfix_knows() -> None:
    skip_without_postfix()
    texts = [advice_for(name).fix[Software.POSTFIX] for name in (*NAMES, *SENDING)]
    found = {
        setting[1]
        for text in texts
        for setting in re.finditer(r"^ {4,}(?:-o )?([a-z_0-9]+) ?=", text, re.MULTILINE)
    }
    of_dovecot = {"auth_mechanisms"}
    assert len(found) > 30
    done = subprocess.run(
        ["postconf", "-d", *sorted(found - of_dovecot)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
