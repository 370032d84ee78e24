"""The demo and the metrics, as a newcomer meets them."""

from __future__ import annotations

import asyncio
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.faults.test_kill import send
from tests.gateway.process import maildir_gateway
from tests.gateway.world import free_port


@pytest.mark.slow
async def test_the_demo_ends_well_with_a_message_of_ours(tmp_path: Path) -> None:
    message = tmp_path / "letter.eml"
    message.write_bytes(b"Subject: ours\n\nhello\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "countersign", "demo", "--message", str(message)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 110)
    assert process.returncode == 0, output.decode()
    assert b"All 25 outcomes are as the design promises" in output


async def test_metrics_are_summed_over_the_workers(tmp_path: Path) -> None:
    port = free_port()
    extra = f'metrics.listen = "127.0.0.1:{port}"\n'
    async with maildir_gateway(tmp_path, workers=2, extra=extra) as gateway:
        for number in range(6):
            assert await send(gateway, number, 50)

        def read() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                return answer.read().decode()

        text = await asyncio.to_thread(read)
    assert 'countersign_messages_total{outcome="delivered",service="receiving"} 6.0' in text
