"""The demo's world on loopback addresses: names, addresses, files, processes.

Every host has an address of its own in 127.53.0.0/16, so that one port serves all of them
and no root is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from countersign.demo.dns_server import DnsServer
from countersign.registry.copy_lookup import CopyRegistry, NoUsableCopyError, OnStale
from countersign.registry.lookup import Standing

SMTP_PORT = 2525
LMTP_PORT = 2424
SUBMISSION_PORT, SUBMISSIONS_PORT = 2587, 2465
MTA_PORT = 2588
"""Of the MTA behind alpha, which takes what users submit."""
PAGES_PORT = 2580
"""Of the web pages for alpha's users."""
DNS_ADDRESS, DNS_PORT = "127.53.0.53", 5353
PRIMARY = "127.53.0.54:5354"
"""The registrar's hidden primary name server."""
NOTIFY_PORT = 5355
ZONE = "registry.example"
REGISTRAR_URL = "http://localhost:8025"
ADMINISTRATOR = "postmaster"
"""Local part of alpha's administrator, and the user's name."""
LOCAL_CLIENT = "127.53.1.2"
"""Where alpha's MTA delivers alpha's own mail from."""
START_SECONDS = 180
"""On a machine that is busy: one that does not start says so at once."""


@dataclass(frozen=True, slots=True)
class Host:
    """One mail server of the demo."""

    domain: str
    address: str
    user: str
    """The local part of its one user."""

    @property
    def name(self) -> str:
        """Its hostname."""
        return f"mail.{self.domain}"

    @property
    def mailbox(self) -> str:
        """Its user's address."""
        return f"{self.user}@{self.domain}"


ALPHA = Host("alpha.example", "127.53.1.1", user="alice")
BETA = Host("beta.example", "127.53.2.1", user="bob")
GAMMA = Host("gamma.example", "127.53.3.1", user="carol")
MALLORY = Host("mallory.example", "127.53.4.1", user="mallory")
HOSTS = (ALPHA, BETA, GAMMA, MALLORY)


class DemoError(Exception):
    """The world could not be set up; the message says why and what to do."""


@dataclass(slots=True)
class World:
    """The running world."""

    directory: Path
    suspend_seconds: float = 2
    """Short, so that the story need not wait 3 minutes after each attack."""
    dns: DnsServer = field(default_factory=lambda: DnsServer(DNS_ADDRESS, DNS_PORT))
    gateways: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start_dns(self) -> None:
        """Start the DNS server. Raises :class:`DemoError`."""
        try:
            await self.dns.start()
        except OSError as error:
            raise DemoError(
                f"cannot listen on {DNS_ADDRESS}:{DNS_PORT} ({error.strerror}): is another demo"
                " running? The demo needs Linux's loopback network 127.0.0.0/8."
            ) from None
        self._publish_names()

    def write_files(self) -> None:
        """Write the gateways' configurations, and make their users' directories."""
        self.mailbox(ALPHA, ADMINISTRATOR).parent.mkdir(parents=True, exist_ok=True)
        for host in (ALPHA, BETA):
            self.maildir(host).parent.mkdir(parents=True, exist_ok=True)
            self.config_file(host).write_text(self._config(host))

    async def start_gateways(self) -> None:
        """Start the gateways, which need DNS and their replicas' keys.

        Raises :class:`DemoError`.
        """
        await asyncio.gather(*(self._start_gateway(host) for host in (ALPHA, BETA)))

    async def stop(self) -> None:
        """Stop everything that was started."""
        for process in self.gateways.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        for process in self.gateways.values():
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await self.dns.stop()

    def config_file(self, host: Host) -> Path:
        """Return where a gateway's configuration is."""
        return self.directory / f"{host.domain}.toml"

    def key_file(self, host: Host) -> Path:
        """Return where the key is with which a gateway's replica asks the registrar's primary."""
        return self.directory / f"{host.domain}.key"

    @property
    def token_file(self) -> Path:
        """Where alpha's token for the registrar's API is."""
        return self.directory / f"{ALPHA.domain}.token"

    def notify_endpoint(self, host: Host) -> str:
        """Return where a gateway's replica is told of new versions."""
        return f"{host.address}:{NOTIFY_PORT}"

    def standing(self, host: Host, hostname: str) -> Standing | None:
        """Return how a host name stands in a gateway's replica; None: it has none yet."""
        replica = CopyRegistry(
            self.directory / f"state-{host.domain}" / "replica",
            ZONE,
            max_age=math.inf,
            on_stale=OnStale.ACCEPT,
            fallback=None,
        )
        try:
            return replica.find(hostname).standing
        except NoUsableCopyError:
            return None
        finally:
            asyncio.run(replica.aclose())

    async def wait_until_all_know(self, subject: Host, standing: Standing) -> None:
        """Wait until a decision has reached the replicas of both gateways. Raises DemoError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                for host in (ALPHA, BETA):
                    while await asyncio.to_thread(self.standing, host, subject.name) != standing:
                        await asyncio.sleep(0.02)
                return
        raise DemoError(f"that {subject.name} is {standing} did not reach the gateways' replicas")

    def maildir(self, host: Host) -> Path:
        """Return the Maildir of a host's user."""
        return self.mailbox(host, host.user)

    def mailbox(self, host: Host, local_part: str) -> Path:
        """Return the Maildir of an address of a host."""
        return self.directory / "mail" / host.domain / local_part / "Maildir"

    def received(self, host: Host) -> list[Path]:
        """Return the messages that a host's user has."""
        return sorted((self.maildir(host) / "new").glob("*"))

    def log_file(self, host: Host) -> Path:
        """Return where a gateway's log is."""
        return self.directory / f"{host.domain}.log"

    def _publish_names(self) -> None:
        for host in HOSTS:
            self.dns.set(host.name, "A", host.address, ttl=5)
            self.dns.set(host.domain, "MX", f"10 {host.name}.", ttl=5)

    def _config(self, host: Host) -> str:
        return f"""\
# One of the demo's two registered servers.
hostname = "{host.name}"
state_directory = "{self.directory}/state-{host.domain}"
workers = 1
shutdown_timeout = 5

[receiving]
listen = ["{host.address}:{SMTP_PORT}"]
allow = {[LOCAL_CLIENT] if host is ALPHA else []}

[receiving.backend]
kind = "maildir"
maildir = "{self.directory}/mail/{{domain}}/{{local_part}}/Maildir"
domains = ["{host.domain}"]

[verification]
suspend_seconds = {self.suspend_seconds}
callback_port = {SMTP_PORT}
callback_networks = ["127.53.0.0/16"]

[sending]
listen = ["{host.address}:{LMTP_PORT}"]
port = {SMTP_PORT}
source_addresses = ["{host.address}"]
idle_timeout = 1

[registry]
zone = "{ZONE}"

[registry.replica]
primaries = ["{PRIMARY}"]
key_file = "{self.key_file(host)}"
source_address = "{host.address}"
notify_listen = ["{self.notify_endpoint(host)}"]

[dns]
nameservers = ["{DNS_ADDRESS}:{DNS_PORT}"]
{self._submission() if host is ALPHA else ""}"""

    def _submission(self) -> str:
        return f"""
[submission]
enabled = true
listen = ["{ALPHA.address}:{SUBMISSION_PORT}"]
listen_tls = ["{ALPHA.address}:{SUBMISSIONS_PORT}"]

[submission.backend]
address = "{ALPHA.address}:{MTA_PORT}"
client_information = "none"

[administrator]
address = "{ADMINISTRATOR}@{ALPHA.domain}"
contact = "{ADMINISTRATOR}@{ALPHA.domain}"
owner_name = "Alpha Example"
owner_address = "1 Example Street, Geneva"

[registrar]
url = "{REGISTRAR_URL}"
token_file = "{self.token_file}"

[pages]
listen = "{ALPHA.address}:{PAGES_PORT}"
"""

    async def _start_gateway(self, host: Host) -> None:
        with self.log_file(host).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "countersign",
                "gateway",
                "--config",
                str(self.config_file(host)),
                stderr=log,
                stdout=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.gateways[host.domain] = process
        await self._wait_for_greeting(host, process)

    async def _wait_for_greeting(self, host: Host, process: asyncio.subprocess.Process) -> None:
        trouble = f"{host.name} did not start: see {self.log_file(host)}"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while process.returncode is None:
                    if await _greets(host.address, SMTP_PORT):
                        return
                    await asyncio.sleep(0.05)
        raise DemoError(trouble)


async def _greets(address: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(address, port)
        greeting = await reader.readline()
        writer.close()
    except OSError:
        return False
    return greeting.startswith(b"220")
