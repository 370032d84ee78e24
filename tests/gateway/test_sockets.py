"""What an operator is told of a socket that cannot be opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.gateway.config import Config
from countersign.gateway.sockets import Sockets, SupervisorError
from tests.gateway.milter.site import settings_of


@pytest.mark.parametrize(
    ("name", "reason"), [("none/socket", "No such file or directory"), ("s" * 120, "too long")]
)
def test_a_path_that_cannot_be_had_is_told_with_the_setting_and_what_to_do(
    tmp_path: Path, name: str, reason: str
) -> None:
    milter = {"enabled": True, "listen": [f"unix:{tmp_path}/{name}"]}
    config = Config.model_validate(settings_of(tmp_path, milter=milter))
    with pytest.raises(SupervisorError) as raised:
        Sockets().bind_all(config, 1)
    words = str(raised.value)
    assert words.startswith(f"milter.listen unix:{tmp_path}/{name}: ")
    assert reason in words and "countersign setup postfix" in words
