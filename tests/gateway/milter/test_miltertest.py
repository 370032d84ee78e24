"""A milter client of others, OpenDKIM's miltertest, talks to ours."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.gateway.milter.site import make_keys, milter_site

pytestmark = pytest.mark.peer
SCRIPT = Path(__file__).with_name("dialogue.lua")


def skip_without_miltertest() -> None:
    """Skip with the reason; in CI a missing program is a failure."""
    if shutil.which("miltertest"):
        return
    if os.environ.get("CI") == "true":
        pytest.fail("miltertest is not installed (.ci/install-packages)")
    pytest.skip("miltertest is not installed")


@pytest.mark.parametrize("version", [2, 3, 4, 6])
async def test_miltertest_is_content_in_each_version(tmp_path: Path, version: int) -> None:
    skip_without_miltertest()
    make_keys(tmp_path / "state")
    async with milter_site(tmp_path) as site:
        process = await asyncio.create_subprocess_exec(
            *("miltertest", "-s", str(SCRIPT)),
            *("-D", f"PORT={site.port}", "-D", f"VERSION={version}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, output.decode()
        assert b"all is well" in output
        assert await site.used() == 1
