from __future__ import annotations

from pathlib import Path

import pytest

from countersign.cli.snippets import postfix_snippet
from countersign.cli.submission_snippets import sendmail_snippet
from countersign.gateway.config import Config
from tests.gateway.milter.site import settings_of


def config_of(directory: Path, listen: str, **changes: dict[str, object]) -> Config:
    milter = {"enabled": True, "listen": [listen]}
    return Config.model_validate(settings_of(directory, milter=milter, **changes))


@pytest.mark.parametrize(
    ("listen", "postfix", "sendmail"),
    [
        ("127.0.0.1:8891", "inet:127.0.0.1:8891", "inet:8891@127.0.0.1"),
        ("0.0.0.0:8891", "inet:127.0.0.1:8891", "inet:8891@127.0.0.1"),
        ("[::]:8891", "inet:[::1]:8891", "inet6:8891@::1"),
        ("unix:/run/m/socket", "unix:/run/m/socket", "unix:/run/m/socket"),
    ],
)
def test_each_mta_is_told_where_the_milter_is_in_its_own_way(
    tmp_path: Path, listen: str, postfix: str, sendmail: str
) -> None:
    config = config_of(tmp_path, listen)
    assert postfix_snippet(config).count(f"    -o smtpd_milters={postfix}\n") == 2
    assert f"S={sendmail}, F=T," in sendmail_snippet(config)


def test_where_the_gateway_does_not_send_8_bits_are_thought_of(tmp_path: Path) -> None:
    hint = "disable_mime_output_conversion = yes"
    assert hint in postfix_snippet(config_of(tmp_path, "127.0.0.1:8891"))
    sending = config_of(tmp_path, "127.0.0.1:8891", sending={"enabled": True})
    assert hint not in postfix_snippet(sending)


def test_without_a_milter_there_is_nothing_for_sendmail(tmp_path: Path) -> None:
    config = Config.model_validate(settings_of(tmp_path, milter={"enabled": False}))
    with pytest.raises(ValueError, match=r"milter\.enabled"):
        sendmail_snippet(config)
    assert "submission" not in postfix_snippet(config)


def test_the_proxy_protocol_is_told_to_postfix(tmp_path: Path) -> None:
    backend = {"address": "127.0.0.1:10587", "client_information": "proxy"}
    submission = {"enabled": True, "backend": backend}
    text = postfix_snippet(config_of(tmp_path, "127.0.0.1:8891", submission=submission))
    assert "\n127.0.0.1:10587 inet n - n - - smtpd\n" in text
    assert "    -o smtpd_upstream_proxy_protocol=haproxy\n" in text


def test_nothing_is_printed_that_would_relay_for_everybody(tmp_path: Path) -> None:
    backend = {"address": "192.0.2.1:10587", "client_information": "proxy"}
    submission = {"enabled": True, "backend": backend}
    with pytest.raises(ValueError, match="who else connects"):
        postfix_snippet(config_of(tmp_path, "127.0.0.1:8891", submission=submission))
