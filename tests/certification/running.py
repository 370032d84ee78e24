"""The battery, run from this machine against names of a DNS of the tests."""

from __future__ import annotations

from typing import Any

from countersign.certification.assignment import Assignment
from countersign.certification.outcome import BatteryResult
from countersign.certification.run import run_battery
from countersign.certification.settings import Battery, Standing
from countersign.certification.standpoint import Standpoint
from countersign.demo.dns_server import DnsServer

HOST = "mail.local.example"
LOOPBACK = ("127.0.0.0/8", "::1/128")


def battery_for(port: int, **changes: Any) -> Battery:
    """What is set in a test, where nobody is to be waited for."""
    values: dict[str, Any] = {
        "port": port,
        "submission_port": 0,
        "submissions_port": 0,
        "hello": "registrar.example",
        "timeout": 5,
        "total_timeout": 60,
        "pause": 0,
        "retry_seconds": 0,
    }
    return Battery(**(values | changes))


async def run_from(
    dns: DnsServer,
    battery: Battery,
    *,
    progress: Any = None,
    sources: tuple[str, ...] = (),
    networks: tuple[str, ...] = LOOPBACK,
    **assigned: Any,
) -> BatteryResult:
    """Test HOST from a standpoint; ``assigned``: more of the assignment."""
    standing = Standing(sources=sources, networks=networks, nameservers=(dns.endpoint,))
    values: dict[str, Any] = {"host": HOST, "battery": battery} | assigned
    return await run_battery(Assignment(**values), Standpoint(standing), progress)
