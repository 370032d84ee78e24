"""A registrar as an operator runs it, with all that it meets: processes on loopback addresses.

The service with its workers, two mail servers behind real gateways, a name server, a domain
registry, and a Maildir with what it writes. Neighbours are made up, as for a demonstration.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
from dateutil.relativedelta import relativedelta
from sqlalchemy import select
from typer.testing import CliRunner

from countersign.certification.settings import Standing
from countersign.cli.main import app
from countersign.demo.dns_server import DnsServer
from countersign.demo.rdap import RdapServer
from countersign.protocol.control import control_name, control_text
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import open_office
from countersign.registrar.operations import secondaries
from countersign.registrar.operations.control import token_of
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registrar.operations.passwords import hash_password
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.operations.trust import may_vouch
from countersign.registrar.seed.seeding import seed
from countersign.registry.copy.errors import NoCopyError
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.copy_lookup import entry_of
from countersign.registry.zone.names import host_key
from countersign.rules.life_cycle import State
from countersign.settings.file import load_config
from countersign.storage.database.accounts import Account
from countersign.storage.database.replication import SecondaryKind
from countersign.storage.database.servers import Server
from tests.gateway.world import free_port, fresh_address
from tests.registrar.browser.letters import Mailbox
from tests.registrar.browser.processes import START_SECONDS, Gateway, start, wait_until
from tests.registrar.probing import probing
from tests.registrar.web.resolving import name_server

PASSWORD = "orchid tractor velvet quorum"
"""Everybody's."""
NEIGHBOURS = 150
ZONE = "registry.example"
HOSTS = "127.60.0.0/16"
"""Where fresh addresses are from."""


@dataclass(frozen=True)
class Sponsor:
    """The owner of a server that is trusted."""

    email: str
    name: str
    hostname: str


@dataclass
class Town:
    """Everything that runs, and where."""

    directory: Path
    url: str
    office: Office
    dns: DnsServer
    mailbox: Mailbox
    invitation: str
    """The link by which the first administrator chooses a password."""
    sponsors: list[Sponsor]
    smtp_port: int
    primary: str
    """ADDRESS:PORT of the registrar's name server."""
    gateways: dict[str, Gateway] = field(default_factory=dict)

    def has_entry(self, hostname: str, standing: str) -> bool:
        """Tell whether the replicas of all gateways say so of a host."""
        return all(
            _standing(self.directory, gateway, hostname) == standing for gateway in self.gateways
        )

    def wait_for_entry(self, hostname: str, standing: str) -> None:
        """Wait until the gateways' replicas say so of a host."""
        wait_until(
            lambda: self.has_entry(hostname, standing), f"{hostname}: {standing}", START_SECONDS
        )

    def prove_control(self, hostname: str) -> None:
        """Publish what proves that whoever applies for a host controls it."""
        with self.office.work() as work:
            server = work.session.scalars(select(Server).where(Server.hostname == hostname)).one()
            token = token_of(work, server)
        self.dns.set(control_name(hostname), "TXT", f'"{control_text(token)}"')

    def give_address(self, hostname: str) -> None:
        """Let the DNS know a host under an address where nothing need listen."""
        self.dns.set(hostname, "A", fresh_address())


@contextlib.contextmanager
def running_town(directory: Path, young: str, other: str) -> Iterator[Town]:
    """Start all of it. young, other: the hosts with a gateway; the domain of the first is young."""
    today = datetime.datetime.now(datetime.UTC).date()
    domains = {
        young.partition(".")[2]: today - relativedelta(months=3),
        other.partition(".")[2]: today - relativedelta(years=4),
    }
    with contextlib.ExitStack() as stack:
        dns = stack.enter_context(name_server())
        rdap = RdapServer("127.0.0.1", free_port(), domains)
        stack.callback(rdap.stop)
        smtp_port, web_port, primary = free_port(), free_port(), f"127.0.0.1:{free_port()}"
        file = directory / "registrar.toml"
        file.write_text(_registrar_config(directory, web_port, smtp_port, dns, rdap, primary))
        office = open_office(load_config(file, RegistrarConfig))
        stack.callback(office.database.close)
        seed(office, NEIGHBOURS)
        town = Town(
            directory,
            f"http://localhost:{web_port}",
            office,
            dns,
            Mailbox(directory / "state" / "mail"),
            _invite_administrator(file),
            _sponsors(office, 3),
            smtp_port,
            primary,
        )
        log = directory / "registrar.log"
        process = start(stack, ("registrar", "--config", str(file)), log)
        answers = partial(_answers, process, town.url, log)
        wait_until(answers, "the registrar answers", START_SECONDS)
        for hostname in (young, other):
            town.gateways[hostname] = _start_gateway(stack, town, hostname)
        standing = Standing(networks=(HOSTS,), nameservers=(dns.endpoint,))
        stack.enter_context(probing(office, standing=standing))
        yield town


def _registrar_config(
    directory: Path,
    web_port: int,
    smtp_port: int,
    dns: DnsServer,
    rdap: RdapServer,
    primary: str,
) -> str:
    return f"""\
url = "http://localhost:{web_port}"
listen = "127.0.0.1:{web_port}"
state_directory = "{directory}/state"
primary.listen = ["{primary}"]
operator_name = "Pacific Mail Registrar"
operator_address = "1 Example Street, Geneva"
zone = "{ZONE}"
reserved_names = true

[security]
# All the town sits behind one address.
requests_per_minute = 20000

[domain_age]
servers = ["{rdap.url}"]
bootstrap = ""
networks = ["127.0.0.0/8"]

[certification]
port = {smtp_port}
hello = "probe.registry.example"
foreign_domain = "victim.example"
mailbox.listen = ["127.0.0.1:0"]
pause = 0
retry_seconds = 0
rest_seconds = 0
networks = ["{HOSTS}"]
nameservers = ["{dns.endpoint}"]
"""


def _invite_administrator(file: Path) -> str:
    command = ["registrar", "--config", str(file), "staff", "add", "grace@registrar.example"]
    command += ["--name", "Grace Okafor", "--role", "administrator"]
    result = CliRunner().invoke(app, command, terminal_width=200)
    found = re.search(r"http://localhost:\d+/invitation/[\w-]+", result.output)
    assert found is not None, result.output
    return found[0]


def _sponsors(office: Office, number: int) -> list[Sponsor]:
    """Let some owners of trusted servers sign in by password."""
    hashed = hash_password(PASSWORD)
    with office.work() as work:
        soon = work.today + relativedelta(months=2)
        rows = work.session.execute(
            select(Server, Account)
            .join(Account, Account.id == Server.owner_id)
            .where(Server.state == State.ACTIVE, Server.fee_paid_until > soon)
            .order_by(Server.id)
        )
        found = [pair for pair in rows if may_vouch(work, pair[0])][:number]
        for _, account in found:
            account.password_hash = hashed
        return [Sponsor(account.email, account.name, one.hostname) for one, account in found]


def _start_gateway(stack: contextlib.ExitStack, town: Town, hostname: str) -> Gateway:
    domain = hostname.partition(".")[2]
    address = fresh_address()
    town.dns.set(hostname, "A", address)
    town.dns.set(domain, "MX", f"10 {hostname}.")
    (town.directory / "mail" / domain / "postmaster").mkdir(parents=True)
    key = _add_replica(town, hostname)
    file = town.directory / f"{domain}.toml"
    file.write_text(f"""\
hostname = "{hostname}"
state_directory = "{town.directory}/state-{domain}"
workers = 1
shutdown_timeout = 5

[receiving]
listen = ["{address}:{town.smtp_port}"]

[receiving.backend]
kind = "maildir"
maildir = "{town.directory}/mail/{{domain}}/{{local_part}}/Maildir"
domains = ["{domain}"]

[verification]
callback_port = {town.smtp_port}
callback_networks = ["{HOSTS}"]

[sending]
enabled = false

[registry]
zone = "{ZONE}"

[registry.replica]
primaries = ["{town.primary}"]
key_file = "{key}"

[dns]
nameservers = ["{town.dns.endpoint}"]
""")
    log = town.directory / f"{domain}.log"
    process = start(stack, ("gateway", "--config", str(file)), log)
    return Gateway(hostname, address, town.smtp_port, log, process)


def _add_replica(town: Town, hostname: str) -> Path:
    """Let a gateway's replica follow the zone; return the file of its key."""
    with town.office.work() as work:
        details = Details(kind=SecondaryKind.REPLICA)
        _, key = secondaries.add(work, SYSTEM, hostname.replace(".", "-"), details)
    file = town.directory / f"{hostname}.key"
    file.touch(mode=0o600)
    file.write_text(key.to_text() + "\n")
    return file


def _standing(directory: Path, gateway: str, hostname: str) -> str:
    """Say how a host stands in a gateway's replica; empty: it has none yet."""
    domain = gateway.partition(".")[2]
    try:
        with ZoneCopy.open(directory / f"state-{domain}" / "replica", writable=False) as copy:
            return str(entry_of(hostname, copy.reader().get(host_key(hostname))).standing)
    except NoCopyError:
        return ""


def _answers(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    return False
