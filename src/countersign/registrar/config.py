"""Every setting of the registrar, with the design's figure as its default (DESIGN §6)."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from countersign.certification.settings import Battery, Standing
from countersign.rules.bond import Schedule
from countersign.rules.screening import Thresholds
from countersign.settings.values import (
    Endpoint,
    Hostname,
    Log,
    Metrics,
    Network,
    Seconds,
    Section,
)

Minor = Annotated[int, Field(ge=0, le=10**15)]
"""An amount of money in the currency's minor unit (cents)."""


Url = Annotated[str, Field(pattern=r"^(https?://[^/\s?#@]+(/[^\s?#]*)?)?$", max_length=500)]
"""An address of the web without user, query or fragment; or nothing."""


class Money(Section):
    """Bonds and fees. Amounts are in the currency's minor unit (cents)."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    """ISO 4217 code."""
    bond: Minor = 250_000
    """Security bond of a server."""
    yearly_fee: Minor = 12_000
    """Registration fee for 12 months."""
    young_domain_months: Annotated[int, Field(ge=0, le=1200)] = 12
    """A domain younger than this needs a bond or sponsors."""
    sponsors: Annotated[int, Field(ge=1, le=20)] = 3
    """Trusted sponsors that stand in for the bond."""
    trusted_months: Annotated[int, Field(ge=0, le=1200)] = 12
    """Months active without an offence after which a server is trusted and may sponsor."""
    repeat_multiplier: Annotated[int, Field(ge=1, le=100)] = 2
    """The bond is multiplied by this for each offence on record."""
    match_multiplier: Annotated[int, Field(ge=1, le=100)] = 3
    """The bond is multiplied by this where screening found a known offender."""
    largest_multiplier: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Upper bound of both together."""
    reminder_days: tuple[int, ...] = (30, 7, 1)
    """Days before the fee runs out on which the owner is reminded."""
    offer_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """Days after which an offer that was not taken up lapses."""
    reply_days: Annotated[int, Field(ge=0, le=365)] = 14
    """Days that an owner has to reply before a bond is forfeited without a second person's word."""
    lapsed_days: Annotated[int, Field(ge=1, le=3650)] = 365
    """Days after which a registration that lapsed ends for good, and its host name is free."""
    sponsorships: Annotated[int, Field(ge=0, le=1000)] = 10
    """Servers that one trusted server may vouch for at the same time."""
    sponsor_requests: Annotated[int, Field(ge=1, le=1000)] = 12
    """Sponsors that one applicant may ask in all."""
    notice_days: Annotated[int, Field(ge=0, le=365)] = 30
    """Days after which a sponsor that gave notice is free, replaced or not."""
    claim_days: Annotated[int, Field(ge=0, le=3650)] = 90
    """Days after its end in which a sponsor may still be told of spam that was sent before."""
    pay_to: str = "Bank transfer to the registrar's account, quoting the reference"
    """How to pay, printed on invoices."""
    webhook_secret_file: Path | None = None
    """Secret that the payment provider signs its messages with (HMAC-SHA256); none: refused."""

    def schedule(self) -> Schedule:
        """Return the figures that the bond rules need."""
        return Schedule(
            bond=self.bond,
            yearly_fee=self.yearly_fee,
            young_domain_months=self.young_domain_months,
            sponsors=self.sponsors,
            trusted_months=self.trusted_months,
            repeat_multiplier=self.repeat_multiplier,
            match_multiplier=self.match_multiplier,
            largest_multiplier=self.largest_multiplier,
        )


class Mail(Section):
    """How the registrar's own mail leaves."""

    kind: Literal["directory", "smtp"] = "directory"
    """`directory`: files in a Maildir; `smtp`: handed to an MTA."""
    directory: Path | None = None
    """The Maildir; default: `mail` in the state directory."""
    server: Endpoint = "127.0.0.1:25"
    """The MTA, for `smtp`."""
    sender: str = "registrar@registrar.example"
    """Address that mail comes from."""


class Screening(Section):
    """When an applicant is taken for a known offender (scores of 0 to 100)."""

    review_score: Annotated[int, Field(ge=1, le=100)] = 70
    """From this score a screener decides."""
    strong_score: Annotated[int, Field(ge=1, le=100)] = 92
    """From this score a match is called strong. Only identity numbers deny by themselves."""
    automatic: bool = False
    """Clear applicants of whom nothing is known without a screener's look at their papers."""

    def thresholds(self) -> Thresholds:
        """Return the figures that the screening rules need."""
        return Thresholds(self.review_score, self.strong_score)


class DomainAge(Section):
    """Where the age of a domain is looked up: RDAP (RFC 9082, RFC 9083)."""

    servers: tuple[Url, ...] = ("https://rdap.org/",)
    """Base URLs, asked in this order. They may redirect to public addresses."""
    bootstrap: Url = "https://data.iana.org/rdap/dns.json"
    """IANA's directory of the registries' servers (RFC 9224), used where the servers above leave \
the question open; empty: never."""
    timeout: Seconds = 10
    """Seconds to wait for an answer, its redirects included."""
    redirects: Annotated[int, Field(ge=0, le=20)] = 5
    """Redirects that are followed for one answer."""
    networks: tuple[Network, ...] = ()
    """Private or loopback networks that may be redirected to all the same."""


class Mailbox(Section):
    """The test mailbox: an SMTP server that shows whether a message got through (DESIGN §8)."""

    listen: tuple[Endpoint, ...] = ("127.0.0.1:8026",)
    """Addresses to listen on; the MX of `foreign_domain` should lead to port 25 of one. None: no \
mailbox, and whatever a server takes stays unproven."""
    inside: bool = True
    """Start it with the service; otherwise `countersign registrar mailbox` runs it."""
    hostname: Hostname = "registrar.example"
    """Name that it greets with."""
    certificate: Path | None = None
    """PEM file of certificate and key; default: one that it makes itself."""
    connections: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Connections at one time; of one address a tenth of them."""
    size: Annotated[int, Field(ge=10_000, le=10**8)] = 200_000
    """Octets of a message that are taken."""


class Certification(Battery):
    """Certification tests: what is tested, from how many places, and how often (DESIGN §8)."""

    probes: Annotated[int, Field(ge=1, le=20)] = 3
    """Probes that test a server at one time, each from another network range."""
    quorum: Annotated[int, Field(ge=1, le=20)] = 2
    """Probes that must agree. One that cannot reach the server neither passes nor fails it."""
    order_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    """Minutes in which a probe must have fetched its order and sent the result."""
    rest_seconds: Annotated[float, Field(ge=0, le=3600)] = 240
    """Seconds before a probe comes to the same host again: a gateway suspends questions of an \
address for three minutes after an answer."""
    arrival_minutes: Annotated[float, Field(ge=0, le=10_080)] = 30
    """Minutes that a message which a server took has for arriving at the test mailbox."""
    interval_days: Annotated[int, Field(ge=0, le=3650)] = 90
    """A registered server is tested again at a random time, after so many days in the mean; \
0: not of itself."""
    sending_test: Literal["reported", "required"] = "reported"
    """Whether a server must also have sent a message that proved its session before it passes."""
    networks: tuple[Network, ...] = ()
    """Private or loopback networks in which proofs of control and sending tests may be asked for \
all the same."""
    nameservers: tuple[Endpoint, ...] = ()
    """Recursive resolvers of the registrar; default: those of /etc/resolv.conf."""
    mailbox: Mailbox = Mailbox()

    def battery(self) -> Battery:
        """Return what goes into an order."""
        return Battery(**{name: getattr(self, name) for name in Battery.model_fields})

    def standing(self) -> Standing:
        """Return where the registrar itself asks from."""
        return Standing(networks=self.networks, nameservers=self.nameservers)

    @model_validator(mode="after")
    def _check_quorum(self) -> Self:
        if self.quorum > self.probes:
            raise ValueError("quorum: more than there are probes to agree")
        return self


class Security(Section):
    """Sessions, lock-out, limits of the offender query."""

    idle_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    """A session without a request for so long has ended."""
    session_hours: Annotated[int, Field(ge=1, le=720)] = 12
    """The longest that a session lasts."""
    failures: Annotated[int, Field(ge=1, le=100)] = 5
    """Failed sign-ins after which an account is locked."""
    lock_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    """How long it is locked, and how long failures of an address are remembered."""
    address_failures: Annotated[int, Field(ge=1, le=10_000)] = 30
    """Failed sign-ins, of whatever accounts, after which an address must wait."""
    offender_queries: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Offender queries that an account may make in 24 hours."""
    upload_size: Annotated[int, Field(ge=100_000, le=100_000_000)] = 10_000_000
    """Octets in an uploaded scan."""
    requests_per_minute: Annotated[int, Field(ge=10)] = 600
    """Requests that one address may make in a minute, of each process."""


class Publication(Section):
    """What the public zone says, and how long its journal is kept (DESIGN §7)."""

    nameservers: tuple[Hostname, ...] = ()
    """Names of the public secondaries: the zone's NS records. None: the zone names `localhost`, \
as zones do that nobody delegates to."""
    contact: str = "hostmaster@registrar.example"
    """E-mail address of who is responsible for the zone (in its SOA record)."""
    ttl: Annotated[int, Field(ge=1, le=86400)] = 300
    """Seconds that resolvers may keep an entry. Replicas do not wait for it."""
    negative_ttl: Annotated[int, Field(ge=1, le=10800)] = 60
    """Seconds that resolvers may keep that a host is not listed (RFC 2308)."""
    refresh: Annotated[int, Field(ge=1, le=86400)] = 300
    """Seconds after which a secondary asks again that was not notified."""
    retry: Annotated[int, Field(ge=1, le=86400)] = 60
    """Seconds after which it tries again when that failed."""
    expire: Annotated[int, Field(ge=3600, le=10**7)] = 1_209_600
    """Seconds after which a secondary that cannot reach us stops answering."""
    journal_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days for which changes are kept, so that a secondary can follow instead of starting anew."""
    journal_versions: Annotated[int, Field(ge=10, le=10**7)] = 20_000
    """Versions that are kept at most."""
    simple_digest_records: Annotated[int, Field(ge=0)] = 50_000
    """Up to so many records the zone carries the standard ZONEMD digest (RFC 8976) in each \
version: it takes a look at all of them. A larger zone has the one that is kept up to date only."""
    resolve_minutes: Annotated[int, Field(ge=1, le=10080)] = 60
    """Minutes after which the addresses of a registered server are looked up again."""
    resolve_concurrency: Annotated[int, Field(ge=1, le=1000)] = 50
    """Host names that are resolved at one time."""


class Primary(Section):
    """The hidden primary name server: it answers secondaries with a TSIG key, and nobody else."""

    listen: tuple[Endpoint, ...] = ("127.0.0.1:8053",)
    """Addresses to listen on, UDP and TCP. None: no primary here."""
    inside: bool = True
    """Start it with the service; otherwise `countersign registrar primary` runs it."""
    copy_directory: Path | None = None
    """Where the primary keeps its copy of the zone; default: `zone` in the state directory."""
    connections: Annotated[int, Field(ge=1, le=10_000)] = 200
    """TCP connections at one time."""
    transfers: Annotated[int, Field(ge=1, le=1000)] = 20
    """Whole zones that are sent at one time."""
    transfer_seconds: Seconds = 3600
    """Seconds that sending a zone may take."""
    idle_seconds: Seconds = 30
    """Seconds after which a TCP connection without a question is closed."""
    requests_per_second: Annotated[int, Field(ge=1)] = 50
    """Questions a second that one address (IPv4, or IPv6 /64) may ask."""
    notify_seconds: Seconds = 1
    """Seconds to wait for the answer to a NOTIFY before it is sent again, then twice as long."""
    notify_attempts: Annotated[int, Field(ge=1, le=20)] = 6
    """How often a NOTIFY is sent (RFC 1996 §3.6)."""
    check_seconds: Seconds = 30
    """Seconds between two looks at each secondary's serial."""
    behind_seconds: Seconds = 60
    """Seconds after which a secondary that lacks what is published causes an alert."""
    condense_versions: Annotated[int, Field(ge=1, le=10**6)] = 20
    """A secondary that lacks more versions than this gets their sum (RFC 1995 §5)."""
    key_overlap_hours: Annotated[int, Field(ge=0, le=8760)] = 168
    """Hours for which an old TSIG key stays good after a rotation."""


class RegistrarConfig(Section):
    """The whole configuration of `countersign registrar`."""

    url: str = "http://localhost:8025"
    """Address under which people reach the website; passkeys are bound to its host name."""
    listen: Endpoint = "127.0.0.1:8025"
    """Address to listen on."""
    trusted_proxies: tuple[Network, ...] = ()
    """Reverse proxies whose X-Forwarded-For is believed."""
    state_directory: Path | None = None
    """Where the database, keys and mail are kept; default: /var/lib/countersign-registrar for \
root, else ~/.local/state/countersign-registrar."""
    database: str = ""
    """Empty: SQLite in the state directory; postgresql://USER@HOST/NAME for production."""
    jobs: Annotated[int, Field(ge=0, le=64)] = 1
    """Threads of each lane (what is prompt, mail, what takes long) that do the background work \
inside the service; 0: only `registrar worker` does."""
    lease_seconds: Annotated[float, Field(ge=0.2, le=3600)] = 60
    """How long a background job may take before another worker takes it over."""
    keyring: Path | None = None
    """File with the master keys; default: `keyring.json` in the state directory, made if absent."""
    s_day: datetime.date | None = None
    """End of the cut-over period; default: 12 months after the registrar first started."""
    operator_name: str = "The Mail Server Registrar"
    """Who runs this registrar: named in contracts and on every page."""
    operator_address: str = ""
    """Postal address, for contracts and invoices."""
    zone: Hostname = "registry.example"
    """Name of the public zone (DESIGN §7)."""
    reserved_names: bool = False
    """Take host names and addresses that the public DNS cannot have (`.example`, `.test`), for \
demonstrations."""
    traps: Annotated[int, Field(ge=0, le=100)] = 3
    """Mailboxes for the registrar's use that a server is given when it becomes active."""
    money: Money = Money()
    mail: Mail = Mail()
    screening: Screening = Screening()
    domain_age: DomainAge = DomainAge()
    certification: Certification = Certification()
    security: Security = Security()
    publication: Publication = Publication()
    primary: Primary = Primary()
    metrics: Metrics = Metrics()
    log: Log = Log()
