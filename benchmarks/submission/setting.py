"""What is measured: Postfix's submission alone, with OpenDKIM, with our milter; our listener."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gateway.process import GatewayProcess
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix

from benchmarks.processes import cpu_seconds
from benchmarks.submission.dovecot import Dovecot
from benchmarks.submission.opendkim import OpenDkim
from countersign.gateway.submission.key_file import KeyKind
from countersign.gateway.submission.keys import KeyStore, key_directory
from countersign.transport.certificate import make_self_signed

HOSTNAME = "mail.local.example"
PASSWORD = "secret"
PLAIN, OPENDKIM = "Postfix alone", "Postfix, OpenDKIM with RSA"
_UNLIMITED = {
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_client_message_rate_limit": "0",
    "default_process_limit": "100",
    "in_flow_delay": "0",
    # Delivery is the same for all and no matter here.
    "default_transport": "discard:",
}
_RELAYS_FOR_USERS = {
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_type": "dovecot",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_auth_only": "yes",
    "smtpd_relay_restrictions": "permit_sasl_authenticated,reject",
    "milter_default_action": "tempfail",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way that a message can go in."""

    name: str
    endpoint: str
    pids: dict[str, int]
    """The first process of each program that takes part."""

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each program until now."""
        return {name: cpu_seconds(pid) for name, pid in self.pids.items()}


class Gateway(GatewayProcess):
    """A gateway without a greeting to wait for."""

    async def _wait_for_greeting(self) -> None:
        await self.wait_for_log('"ready"')


class Setting:
    """All processes of the benchmark."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = contextlib.ExitStack()
        self._gateways: list[GatewayProcess] = []
        self.candidates: dict[str, Candidate] = {}

    async def start(self) -> None:
        """Start everything, the gateways last."""
        self._pair = self._directory / "pair.pem"
        self._pair.write_bytes(make_self_signed(HOSTNAME))
        self._dovecot = self._stack.enter_context(Dovecot(PASSWORD))
        opendkim = self._stack.enter_context(
            OpenDkim(self._directory / "opendkim", "local.example")
        )
        self._postfix(PLAIN, "", {})
        self._postfix(OPENDKIM, opendkim.endpoint, {"OpenDKIM": opendkim.pid})
        sockets = self._directory / "sockets"
        sockets.mkdir()
        # The sockets in it belong to its group, as an operator would have it.
        shutil.chown(sockets, group="postfix")
        sockets.chmod(0o2755)
        for name, kinds in (
            ("Postfix, our milter with RSA", (KeyKind.RSA,)),
            ("Postfix, our milter with RSA and Ed25519", tuple(KeyKind)),
        ):
            endpoint = f"unix:{sockets}/{len(kinds)}"
            section = f'[milter]\nenabled = true\nlisten = ["{endpoint}"]\n'
            gateway = await self._gateway(name, section, kinds)
            self._postfix(name, endpoint, {"ours": gateway.process.pid})
        await self._listener()

    async def stop(self) -> None:
        """End everything."""
        try:
            for gateway in self._gateways:
                await gateway.stop()
        finally:
            self._stack.close()

    async def _listener(self) -> None:
        behind = self._stack.enter_context(
            Postfix(
                "mx.local.example",
                f"127.0.0.1:{free_port()}",
                settings=_UNLIMITED
                | {
                    "mynetworks": "127.0.0.0/8",
                    "smtpd_relay_restrictions": "permit_mynetworks,reject",
                },
                smtpd_options={"smtpd_authorized_xclient_hosts": "127.0.0.0/8"},
            )
        )
        endpoint = f"127.0.0.1:{free_port()}"
        section = f"""\
[submission]
enabled = true
listen = ["{endpoint}"]
listen_tls = []
max_connections_per_network = 10000
[submission.backend]
address = "{behind.listen}"
[sign_in]
source = "dovecot"
mechanisms = ["PLAIN"]
[sign_in.dovecot]
socket = "{self._dovecot.socket}"
"""
        gateway = await self._gateway("our listener", section, (KeyKind.RSA,))
        self.candidates["our listener with RSA, Postfix behind"] = Candidate(
            "our listener with RSA, Postfix behind",
            endpoint,
            {"Postfix": master_of(behind), "ours": gateway.process.pid},
        )

    def _postfix(self, name: str, milter: str, pids: dict[str, int]) -> None:
        settings: dict[str, Any] = _UNLIMITED | _RELAYS_FOR_USERS
        settings |= {"smtpd_sasl_path": self._dovecot.socket, "smtpd_tls_chain_files": self._pair}
        if milter:
            settings["smtpd_milters"] = milter
        postfix = self._stack.enter_context(
            Postfix("mx.local.example", f"127.0.0.1:{free_port()}", settings=settings)
        )
        self.candidates[name] = Candidate(
            name, postfix.listen, {"Postfix": master_of(postfix), **pids}
        )

    async def _gateway(self, name: str, section: str, kinds: tuple[KeyKind, ...]) -> GatewayProcess:
        directory = self._directory / name.replace(" ", "-")
        directory.mkdir()
        (directory / "registry.toml").write_text("server = []\n")
        text = f"""\
hostname = "{HOSTNAME}"
state_directory = "{directory}/state"
shutdown_timeout = 5
[receiving]
enabled = false
[sending]
enabled = false
[limits]
recipients_per_day = 1000000
{section}
[registry]
kind = "file"
path = "{directory}/registry.toml"
"""
        keys = KeyStore(key_directory(directory / "state"))
        for kind in kinds:
            keys.activate(keys.make(kind, time.time()).selector, time.time())
        gateway = Gateway(directory, text, "127.0.0.1", 0)
        self._gateways.append(gateway)
        await gateway.start()
        return gateway


def master_of(postfix: Postfix) -> int:
    """Return the process that all others of a Postfix come from."""
    return int((postfix.directory / "queue" / "pid" / "master.pid").read_text())
