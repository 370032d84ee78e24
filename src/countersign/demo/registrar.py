"""The demo's registrar: the real service on real data, which certifies the demo's servers.

What people do in a browser is done here by the same operations; all else – comparing with
offenders, the domain's age, the relay test, the offer, letters, the public zone – is done by the
service's own workers and its primary name server.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import secrets
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pyotp
from dateutil.relativedelta import relativedelta
from sqlalchemy import select

from countersign.demo import papers
from countersign.demo.dns_server import DnsServer
from countersign.demo.probes import FOREIGN_DOMAIN, MAILBOX_ADDRESS, MAILBOX_HOST, PLACES, Place
from countersign.demo.rdap import RdapServer
from countersign.demo.registration import Registration
from countersign.demo.world import (
    ALPHA,
    BETA,
    DNS_ADDRESS,
    DNS_PORT,
    PRIMARY,
    REGISTRAR_URL,
    SUBMISSION_PORT,
    SUBMISSIONS_PORT,
    ZONE,
    DemoError,
    Host,
    World,
)
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import open_office
from countersign.registrar.operations import (
    api_tokens,
    factors,
    probes,
    sanctions,
    secondaries,
    sessions,
)
from countersign.registrar.operations.office import Actor, Office, OperationError, Work
from countersign.registrar.operations.passwords import hash_password
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.seed.seeding import seed
from countersign.rules.access import Scope
from countersign.rules.roles import Role
from countersign.settings.file import load_config
from countersign.storage.database.accounts import Account, AccountRole
from countersign.storage.database.replication import SecondaryKind
from countersign.storage.database.servers import Server, ServerEvent

ADDRESS, PORT = "127.0.0.1", 8025
RDAP_ADDRESS, RDAP_PORT = "127.53.0.43", 8043
NEIGHBOURS = 400
"""Other, made-up servers in the registry, so that the directory is not empty."""
STAFF_OF_DEMO = (
    ("Sam", frozenset({Role.SCREENER, Role.ADJUDICATOR, Role.TREASURER})),
    ("Sue", frozenset({Role.ADJUDICATOR, Role.TREASURER})),
    ("Adam", frozenset({Role.ADMINISTRATOR})),
    ("Audrey", frozenset({Role.AUDITOR})),
)
"""Sue is the second person that some decisions need."""
_SCOPES = (Scope.READ_SERVERS, Scope.READ_HOLDINGS, Scope.WRITE_HOLDINGS, Scope.QUERY_OFFENDERS)
"""What a gateway does with the API."""
_START_SECONDS = 180
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class SignIn:
    """An account that a visitor of the website may use."""

    email: str
    password: str
    roles: str
    codes: tuple[str, ...] = ()
    """Recovery codes, each good once as second factor."""


@dataclass(slots=True)
class DemoRegistrar:
    """Starts and stops the service, and does what its people do."""

    directory: Path
    smtp_port: int
    sign_ins: list[SignIn] = field(default_factory=list)
    _office: Office | None = None
    _process: asyncio.subprocess.Process | None = None
    _rdap: RdapServer | None = None
    _staff: int = 0
    _administrator: int = 0
    _registrations: dict[str, Registration] = field(default_factory=dict)

    @property
    def mail_directory(self) -> Path:
        """The Maildir where its letters go."""
        return self.directory / "registrar" / "mail"

    @property
    def log_file(self) -> Path:
        """The service's log."""
        return self.directory / "registrar.log"

    @property
    def office(self) -> Office:
        """The registrar's data."""
        assert self._office is not None
        return self._office

    async def start(self) -> None:
        """Start the service. Raises :class:`DemoError`."""
        today = datetime.datetime.now(datetime.UTC).date()
        try:
            self._rdap = RdapServer(
                RDAP_ADDRESS,
                RDAP_PORT,
                {
                    ALPHA.domain: today - relativedelta(years=9),
                    BETA.domain: today - relativedelta(months=3),
                },
            )
        except OSError as error:
            raise DemoError(f"{RDAP_ADDRESS}:{RDAP_PORT}: {error.strerror}") from None
        path = self.directory / "registrar.toml"
        path.write_text(self._config())
        await asyncio.to_thread(self._prepare, load_config(path, RegistrarConfig))
        with self.log_file.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "countersign", "registrar", "--config", str(path)),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        await self._wait_until_it_answers()

    def add_replica(self, world: World, host: Host) -> None:
        """Let a gateway's replica follow the zone, and write the key that it asks with."""
        with self.office.work() as work:
            _, key = secondaries.add(
                work,
                Actor(Role.ADMINISTRATOR, self._administrator),
                host.name.replace(".", "-"),
                Details(
                    kind=SecondaryKind.REPLICA,
                    place=f"beside the gateway {host.name}",
                    notify=(world.notify_endpoint(host),),
                ),
            )
        file = world.key_file(host)
        file.touch(mode=0o600)
        # In one line, as kdig -y takes it, too.
        file.write_text(f"{key.algorithm}:{key.name}:{key.encoded}\n")

    def make_token(self, host: Host) -> str:
        """Make a token with which a gateway may use the registrar's API, as its owner does."""
        owner = Actor(Role.OWNER, self._account(host.mailbox))
        with self.office.work() as work:
            return api_tokens.create(
                work,
                owner,
                "gateway",
                [
                    Scope.READ_SERVERS,
                    Scope.READ_HOLDINGS,
                    Scope.WRITE_HOLDINGS,
                    Scope.QUERY_OFFENDERS,
                ],
                server_id=self._registrations[host.name].server_id,
                days=30,
            )

    def invite_probes(self) -> list[tuple[Place, str]]:
        """Invite the demo's probes, and return each one's token."""
        administrator = Actor(Role.ADMINISTRATOR, self._administrator)
        tokens = []
        with self.office.work() as work:
            for place in PLACES:
                _, token = probes.invite(
                    work,
                    administrator,
                    name=place.name,
                    network=place.network,
                    place=f"{place.name.title()}, in the demo",
                )
                tokens.append((place, token))
        return tokens

    async def stop(self) -> None:
        """Stop what was started."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(20):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._rdap is not None:
            self._rdap.stop()
        if self._office is not None:
            self._office.database.close()

    async def certify(self, host: Host, dns: DnsServer) -> None:
        """Bring a host from the first form to sending privileges. Raises :class:`DemoError`.

        dns: what answers for the host, where its owner publishes the proof of control.
        """
        try:
            await asyncio.to_thread(self._certify, host, dns)
        except OperationError as error:
            raise DemoError(f"{host.name} could not be registered: {error}") from error

    def history(self, host: Host) -> list[ServerEvent]:
        """Return the events of a host, the first one first."""
        with self.office.reading() as work:
            return list(
                work.session.scalars(
                    select(ServerEvent)
                    .where(ServerEvent.server_id == self._registrations[host.name].server_id)
                    .order_by(ServerEvent.id)
                )
            )

    async def suspend(self, host: Host) -> None:
        """Suspend a host, as an adjudicator does."""

        def decide(work: Work, server: Server) -> None:
            sanctions.suspend(
                work,
                Actor(Role.ADJUDICATOR, self._staff),
                server,
                reason="A demonstration of what a suspension does.",
                public_reason="Suspended for a demonstration",
            )

        await asyncio.to_thread(self._registrations[host.name].change, decide)

    async def reinstate(self, host: Host) -> None:
        """Give a suspended host its sending privileges back."""

        def decide(work: Work, server: Server) -> None:
            sanctions.reinstate(
                work, Actor(Role.ADJUDICATOR, self._staff), server, "The demonstration is over."
            )

        await asyncio.to_thread(self._registrations[host.name].change, decide)

    # -- setting up ------------------------------------------------------------------------------

    def _config(self) -> str:
        return f"""\
# The demo's registrar.
url = "{REGISTRAR_URL}"
listen = "{ADDRESS}:{PORT}"
state_directory = "{self.directory}/registrar"
operator_name = "Countersign demo registrar"
operator_address = "1 Example Street, Geneva"
zone = "{ZONE}"
reserved_names = true

[primary]
listen = ["{PRIMARY}"]

[domain_age]
servers = ["http://{RDAP_ADDRESS}:{RDAP_PORT}/"]
bootstrap = ""
networks = ["127.53.0.0/16"]

[certification]
port = {self.smtp_port}
submission_port = {SUBMISSION_PORT}
submissions_port = {SUBMISSIONS_PORT}
hello = "probe.registry.example"
foreign_domain = "{FOREIGN_DOMAIN}"
about = "{REGISTRAR_URL}/about/tests"
pause = 0
retry_seconds = 0
rest_seconds = 0
networks = ["127.53.0.0/16"]
nameservers = ["{DNS_ADDRESS}:{DNS_PORT}"]

[certification.mailbox]
listen = ["{MAILBOX_ADDRESS}:{self.smtp_port}"]
hostname = "{MAILBOX_HOST}"
"""

    def _prepare(self, config: RegistrarConfig) -> None:
        self._office = open_office(config)
        seed(self.office, NEIGHBOURS)
        for name, roles in STAFF_OF_DEMO:
            key = self._add_account(f"{name.lower()}@registry.example", f"{name} Staff", roles)
            self._staff = self._staff or key
            if Role.ADMINISTRATOR in roles:
                self._administrator = key
        for host in (ALPHA, BETA):
            self._add_account(host.mailbox, papers.OWNERS[host.name], frozenset())

    def _add_account(self, email: str, name: str, roles: frozenset[Role]) -> int:
        password = "-".join(secrets.token_hex(2) for _ in range(4))
        with self.office.work() as work:
            account = Account(
                email=email,
                name=name,
                password_hash=hash_password(password),
                created_at=work.now,
                email_confirmed_at=work.now,
            )
            account.roles = [AccountRole(role=role, granted_at=work.now) for role in sorted(roles)]
            work.session.add(account)
            work.session.flush()
            codes = _second_factor(work, account) if roles else ()
            words = ", ".join(sorted(roles)) or f"owner of mail.{email.partition('@')[2]}"
        self.sign_ins.append(SignIn(email, password, words, codes))
        return account.id

    async def _wait_until_it_answers(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                while self._process is not None and self._process.returncode is None:
                    if await _is_healthy():
                        return
                    await asyncio.sleep(_POLL_SECONDS)
        last = self.log_file.read_text(errors="replace").splitlines()[-1:]
        raise DemoError(f"the registrar did not start: {' '.join(last)}")

    def _account(self, email: str) -> int:
        with self.office.reading() as work:
            return work.session.scalars(select(Account.id).where(Account.email == email)).one()

    def _certify(self, host: Host, dns: DnsServer) -> None:
        registration = Registration(
            self.office,
            host,
            owner=self._account(host.mailbox),
            staff=self._staff,
            mail_directory=self.mail_directory,
        )
        self._registrations[host.name] = registration
        registration.certify(dns)


def _second_factor(work: Work, account: Account) -> tuple[str, ...]:
    """Set an authenticator up, as the account's owner would; return its recovery codes."""
    person = Actor(Role.OWNER, account.id)
    cookie = sessions.begin(work, account, factor="", device="demo")
    work.session.flush()
    digest = sessions.digest_of(cookie)
    factors.begin_totp(work, person, digest)
    work.session.flush()
    found = sessions.find(work, cookie)
    assert found is not None
    pending = str(found.data["totp"])
    code = pyotp.TOTP(factors.pending_secret(work, person, pending)).at(work.now)
    factors.confirm_totp(work, person, digest, pending, code)
    return tuple(factors.new_recovery_codes(work, person))


async def _is_healthy() -> bool:
    try:
        reader, writer = await asyncio.open_connection(ADDRESS, PORT)
        writer.write(f"GET /health HTTP/1.0\r\nHost: localhost:{PORT}\r\n\r\n".encode())
        status = await reader.readline()
        writer.close()
    except OSError:
        return False
    return b" 200 " in status
