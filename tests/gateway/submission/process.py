"""A gateway for submission as an operator runs it: supervisor, workers, clerk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.gateway.process import GatewayProcess
from tests.gateway.submission.site import HOSTNAME, add_user
from tests.gateway.world import free_port, fresh_address


class SubmissionProcess(GatewayProcess):
    tls_port = 0


@asynccontextmanager
async def submission_gateway(
    directory: Path, mta: str, *, workers: int = 2
) -> AsyncIterator[SubmissionProcess]:
    """A gateway with one user, alice."""
    address, port, tls_port = fresh_address(), free_port(), free_port()
    (directory / "registry.toml").write_text("server = []\n")
    await add_user(directory / "state")
    text = f"""\
hostname = "{HOSTNAME}"
state_directory = "{directory}/state"
workers = {workers}
shutdown_timeout = 5
[receiving]
enabled = false
[sending]
enabled = false
[submission]
enabled = true
listen = ["{address}:{port}"]
listen_tls = ["{address}:{tls_port}"]
max_connections_per_network = 1000
[submission.backend]
address = "{mta}"
client_information = "none"
[registry]
kind = "file"
path = "{directory}/registry.toml"
"""
    gateway = SubmissionProcess(directory, text, address, port)
    gateway.tls_port = tls_port
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()
