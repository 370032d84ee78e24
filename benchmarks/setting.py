"""What is measured: a gateway, the Postfix behind it, and a Postfix that rejects."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.process import GatewayProcess
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix

from benchmarks.processes import memory
from countersign.demo.dns_server import DnsServer
from countersign.storage.local import LocalTables
from countersign.transport.certificate import make_self_signed

ADDRESS, ALLOWED = "127.61.0.1", "127.61.0.2"
_UNLIMITED = {
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_connection_rate_limit": "0",
    "default_process_limit": "100",
    "in_flow_delay": "0",
}


class Setting:
    """All processes of a benchmark."""

    hostname = "mail.local.example"
    recipient = "user@local.example"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port, self._allowed_port = free_port(), free_port()
        self._dns = DnsServer("127.0.0.1", 0)
        self.gateway = f"{ADDRESS}:{self._port}"
        self.gateway_allowed = f"{ALLOWED}:{self._allowed_port}"
        self.postfix_endpoint = f"127.0.0.1:{free_port()}"
        self.rejecting = f"127.0.0.1:{free_port()}"
        self._processes: list[GatewayProcess] = []

    async def start(self) -> None:
        await self._dns.start()
        self._dns.set(self.hostname, "A", ADDRESS, ttl=3600)
        pair = self._directory / "pair.pem"
        pair.write_bytes(make_self_signed(self.hostname))
        self._postfix = Postfix(
            "mx.local.example",
            self.postfix_endpoint,
            settings=_UNLIMITED,
            smtpd_options={"smtpd_authorized_xclient_hosts": "127.0.0.0/8"},
        )
        self._rejecting = Postfix(
            "mx.local.example",
            self.rejecting,
            settings=_UNLIMITED
            | {
                "smtpd_recipient_restrictions": "reject",
                "smtpd_tls_security_level": "may",
                "smtpd_tls_chain_files": pair,
            },
        )
        self._postfix.__enter__()
        self._rejecting.__enter__()
        self._measured = await self._gateway("verifying", self.gateway, "")
        await self._gateway("allowing", self.gateway_allowed, 'allow = ["127.0.0.0/8"]')
        self.secret = (self._directory / "verifying" / "state" / "secret").read_bytes()
        self.tables = LocalTables(self._directory / "verifying" / "state")
        self.gateway_empty, self.postfix_empty = self.gateway_memory(), self.postfix_memory()

    async def stop(self) -> None:
        for process in self._processes:
            await process.stop()
        await self.tables.aclose()
        self._postfix.__exit__()
        self._rejecting.__exit__()
        await self._dns.stop()

    @property
    def gateway_pid(self) -> int:
        return self._measured.process.pid

    @property
    def rejecting_pid(self) -> int:
        pid_file = self._rejecting.directory / "queue" / "pid" / "master.pid"
        return int(pid_file.read_text())

    def gateway_memory(self) -> int:
        return memory(self.gateway_pid)

    def postfix_memory(self) -> int:
        return memory(self.rejecting_pid)

    @staticmethod
    def count(size: int) -> int:
        """How many messages of a size make one round."""
        return 1500 if size < 10_000 else 800

    async def _gateway(self, name: str, endpoint: str, receiving: str) -> GatewayProcess:
        directory = self._directory / name
        directory.mkdir()
        (directory / "registry.toml").write_text(f'[[server]]\nhostname = "{self.hostname}"\n')
        text = f"""\
hostname = "{self.hostname}"
state_directory = "{directory}/state"
[log]
level = "warning"
[receiving]
listen = ["{endpoint}"]
max_connections_per_network = 100000
{receiving}
[receiving.backend]
address = "{self.postfix_endpoint}"
[verification]
callback_port = {self._port}
callback_networks = ["127.0.0.0/8"]
attempts = 1000000
[sending]
enabled = false
[registry]
kind = "file"
path = "{directory}/registry.toml"
[dns]
nameservers = ["{self._dns.endpoint}"]
"""
        host, _, port = endpoint.rpartition(":")
        process = GatewayProcess(directory, text, host, int(port))
        self._processes.append(process)
        await process.start()
        return process
