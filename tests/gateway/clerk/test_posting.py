"""To which MTA letters go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from countersign.gateway.backend.settings import ClientInformation
from countersign.gateway.clerk.posting import mta_for_letters
from countersign.gateway.config import Config

LISTENER = {"enabled": True, "backend": {"address": "127.0.0.1:10587"}}
RECEIVING = {"enabled": True, "backend": {"address": "127.0.0.1:10025"}}
LMTP = {"enabled": True, "backend": {"kind": "lmtp", "address": "127.0.0.1:10024"}}
NOT_RECEIVING = {"enabled": False}
MILTER = {"enabled": True}


def config_of(directory: Path, settings: dict[str, Any]) -> Config:
    registry = {"kind": "file", "path": directory / "registry.toml"}
    return Config.model_validate({"hostname": "mx.example", "registry": registry} | settings)


@pytest.mark.parametrize(
    ("settings", "setting", "address"),
    [
        (
            {"submission": LISTENER, "milter": MILTER, "receiving": RECEIVING},
            "submission.backend",
            "127.0.0.1:10587",
        ),
        ({"milter": MILTER, "receiving": RECEIVING}, "receiving.backend", "127.0.0.1:10025"),
        ({"milter": MILTER, "receiving": NOT_RECEIVING}, "administrator.mta", "127.0.0.1:25"),
        ({"milter": MILTER, "receiving": LMTP}, "administrator.mta", "127.0.0.1:25"),
        (
            {"submission": LISTENER, "administrator": {"mta": "192.0.2.1:25"}},
            "administrator.mta",
            "192.0.2.1:25",
        ),
    ],
)
def test_letters_go_where_an_mta_is_known_to_be(
    tmp_path: Path, settings: dict[str, Any], setting: str, address: str
) -> None:
    found, mta = mta_for_letters(config_of(tmp_path, settings))
    assert (found, mta.address) == (setting, address)


def test_an_mta_that_is_named_twice_is_told_who_we_are_in_its_way(tmp_path: Path) -> None:
    backend = {"address": "127.0.0.1:10587", "client_information": "proxy"}
    settings = {
        "submission": {"enabled": True, "backend": backend},
        "administrator": {"mta": "127.0.0.1:10587"},
    }
    _, mta = mta_for_letters(config_of(tmp_path, settings))
    assert mta.client_information is ClientInformation.PROXY
