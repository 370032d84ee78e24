"""What is printed about names of users that the MTA or Dovecot has checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from countersign.cli.naming_advice import naming_notes, naming_warnings
from countersign.cli.snippets import postfix_snippet
from countersign.cli.submission_snippets import sendmail_snippet
from countersign.gateway.config import Config
from countersign.gateway.submission.settings import SignIn
from tests.cli.test_commands import configured, run
from tests.gateway.milter.site import settings_of

LOCAL_PART = 'names = "local-part"'


def config_of(directory: Path, **changes: dict[str, Any]) -> Config:
    return Config.model_validate(settings_of(directory, **changes))


def test_the_lines_for_an_mta_say_what_to_set_for_names_with_a_domain(tmp_path: Path) -> None:
    plain = config_of(tmp_path)
    assert "list\n# their domains in sign_in.domains" in postfix_snippet(plain)
    assert f"dnl   [sign_in]\ndnl   {LOCAL_PART}\n" in sendmail_snippet(plain)
    dropping = config_of(tmp_path, sign_in={"names": "local-part"})
    for text in (postfix_snippet(dropping), sendmail_snippet(dropping)):
        assert "drops what follows the @ (sign_in.names)" in text
        assert LOCAL_PART not in text
    listed = config_of(tmp_path, sign_in={"domains": ["One.Example", "two.example"]})
    assert "may end in @one.example or @two.example" in postfix_snippet(listed)
    assert LOCAL_PART in sendmail_snippet(listed), "saslauthd drops them all the same"


def test_where_nobody_else_checks_names_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert naming_notes(config_of(tmp_path))
    assert not naming_notes(config_of(tmp_path, sign_in={"names": "local-part"}))
    assert not naming_notes(config_of(tmp_path, sign_in={"domains": ["local.example"]}))
    only_listener = {"milter": {"enabled": False}, "submission": {"enabled": True}}
    assert not naming_notes(config_of(tmp_path, **only_listener))
    assert not naming_warnings(config_of(tmp_path, **only_listener))


def test_where_dovecot_checks_passwords_refused_names_are_worth_a_warning(tmp_path: Path) -> None:
    listener = {"milter": {"enabled": False}, "submission": {"enabled": True}}
    dovecot = {"source": "dovecot"}
    assert naming_warnings(config_of(tmp_path, **listener, sign_in=dovecot))
    for said in ({"names": "local-part"}, {"domains": ["local.example"]}):
        assert not naming_warnings(config_of(tmp_path, **listener, sign_in=dovecot | said))


def test_a_configuration_that_is_checked_is_good_but_a_note_tells_of_names(tmp_path: Path) -> None:
    text = "[receiving]\nenabled = false\n[milter]\nenabled = true\n"
    _, words = run("check", "config", configured(tmp_path, text))
    assert "note: sign_in.names" in words
    _, words = run("check", "config", configured(tmp_path, f"{text}[sign_in]\n{LOCAL_PART}\n"))
    assert "sign_in.names" not in words


@pytest.mark.parametrize("domain", ["", "a b", "@local.example", "anna@local.example", "x" * 256])
def test_what_is_no_domain_is_a_fault(domain: str) -> None:
    with pytest.raises(ValidationError):
        SignIn(domains=(domain,))


def test_domains_that_would_be_dropped_are_a_fault() -> None:
    with pytest.raises(ValidationError, match="drops them"):
        SignIn(names="local-part", domains=("local.example",))
