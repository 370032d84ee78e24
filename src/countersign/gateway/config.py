"""Every setting of the gateway, with the design's figure as its default (DESIGN §3.7).

One TOML file. The models here are the only place where a setting is named, described and
bounded: the commented example file and the reference are printed from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from countersign.gateway.backend.settings import Backend
from countersign.gateway.submission.settings import (
    Administrator,
    Milter,
    Pages,
    RegistrarLink,
    SignIn,
    Stamp,
    Submission,
    UserLimits,
)
from countersign.protocol.control import TOKEN_PATTERN
from countersign.registry.replica.settings import ReplicaConfig, ReplicaSettings
from countersign.rules.admission import BlockRule
from countersign.rules.suspension import Rule as SuspendRule
from countersign.settings.values import (
    Endpoint,
    Hostname,
    Log,
    Metrics,
    Network,
    OptionalHostname,
    Seconds,
    Section,
)


class Receiving(Section):
    """The listener that the world's mail servers connect to (DESIGN §3, §4)."""

    enabled: bool = True
    """Whether this host receives."""
    listen: tuple[Endpoint, ...] = ("0.0.0.0:25", "[::]:25")
    """Addresses to listen on."""
    allow: tuple[Network, ...] = ()
    """Networks admitted without verification, never blocked: always wins."""
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Connections at one time, of each worker."""
    max_connections_per_network: Annotated[int, Field(ge=1)] = 100
    """Connections at one time from one IPv4 address or IPv6 /64, of each worker."""
    command_timeout: Seconds = 300
    """Seconds to wait for the client's next command (RFC 5321 §4.5.3.2)."""
    unverified_timeout: Seconds = 60
    """Seconds that a client has, in all, to get verified: cuts idle and slow clients off."""
    data_timeout: Seconds = 180
    """Seconds to wait for the next piece of a message."""
    minimum_data_rate: Annotated[int, Field(ge=0)] = 100
    """Octets a second that a client must send on average over a message; 0: no limit."""
    max_message_size: Annotated[int, Field(ge=65536)] = 50 * 1024 * 1024
    """Octets in a message."""
    max_header_size: Annotated[int, Field(ge=1000)] = 256 * 1024
    """Octets in a message's header section."""
    max_text_line: Annotated[int, Field(ge=998)] = 998
    """Octets in a line of a message, without CRLF (RFC 5321 §4.5.3.1.6)."""
    max_recipients: Annotated[int, Field(ge=100)] = 1000
    """Recipients of one message (RFC 5321 §4.5.3.1.8 asks for 100 at least)."""
    max_errors: Annotated[int, Field(ge=1)] = 10
    """Bad commands after which the connection is closed."""
    control_token: Annotated[str, Field(pattern=rf"^({TOKEN_PATTERN})?$")] = ""
    """Token of the registrar, announced as `XCONTROL` inside TLS: it proves that whoever applies \
for this host controls it. Empty: nothing is announced."""
    backend: Backend = Backend()


class Verification(Section):
    """The verification dialogue (DESIGN §3)."""

    session_id_length: Annotated[int, Field(ge=128, le=512, multiple_of=2)] = 128
    """Characters in a session ID."""
    suspend: SuspendRule = SuspendRule.EXCEPT_OWN
    """`except-own`, `always` (the proposal's literal rule) or `unknown-only`."""
    suspend_seconds: Seconds = 180
    """How long further questions from a receiver are refused."""
    block: BlockRule = BlockRule.CLAIMED_HOST
    """`claimed-host`: an address may still try to verify; `all` (literal): nothing is heard."""
    block_seconds: Seconds = 86400
    """How long an address is blocked after a verification that failed."""
    attempts: Annotated[int, Field(ge=1)] = 600
    """Verification attempts from one address in each window."""
    blocked_attempts: Annotated[int, Field(ge=1)] = 30
    """The same for an address that is blocked for the host it claims."""
    attempts_window: Seconds = 3600
    """Seconds in a window."""
    callback_port: Annotated[int, Field(ge=1, le=65535)] = 25
    """Port on which claimed hosts are asked."""
    callback_timeout: Seconds = 20
    """Seconds for a whole callback, DNS look-up included."""
    callback_max_addresses: Annotated[int, Field(ge=1, le=32)] = 4
    """Addresses of a claimed host that are tried at most."""
    callback_max_waiting: Annotated[int, Field(ge=0)] = 50
    """Attempts that may wait for the one callback in flight to the same host, per address."""
    unreachable_seconds: Seconds = 30
    """How long a claimed host that could not be asked is not tried again."""
    callback_networks: tuple[Network, ...] = ()
    """Private or loopback networks that callbacks may go to all the same."""


class Tls(Section):
    """Certificate and key. Without files, a self-signed pair is made in the state directory."""

    certificate: Path | None = None
    """PEM file with the chain."""
    key: Path | None = None
    """PEM file with the private key."""
    client_ca: Path | None = None
    """PEM file of authorities for certificates of askers; default: the system's."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Tls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give both certificate and key, or neither")
        return self


class Sending(Section):
    """The LMTP listener that the MTA hands outgoing mail to (DESIGN §4, Sending)."""

    enabled: bool = True
    """Whether this host sends."""
    listen: tuple[Endpoint, ...] = ("127.0.0.1:10024",)
    """Addresses to listen on: local ones, reachable by the MTA only."""
    clients: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose MTAs may hand over mail."""
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    """Port of receivers."""
    source_addresses: tuple[str, ...] = ()
    """Local addresses to send from, one IPv4 and one IPv6 at most; default: the system's choice."""
    tls: Literal["opportunistic", "required"] = "opportunistic"
    """Whether mail may go in clear to a receiver without STARTTLS."""
    connect_timeout: Seconds = 30
    """Seconds to wait for a connection to a receiver."""
    reply_timeout: Seconds = 300
    """Seconds to wait for a receiver's replies (RFC 5321 §4.5.3.2)."""
    total_timeout: Seconds = 540
    """Seconds for all of a message's recipients: below the MTA's own lmtp_data_done_timeout."""
    idle_timeout: Seconds = 30
    """Seconds that an unused connection to a receiver is kept."""
    max_connections_per_host: Annotated[int, Field(ge=1)] = 10
    """Connections at one time to one receiver, of each worker."""
    max_message_size: Annotated[int, Field(ge=65536)] = 50 * 1024 * 1024
    """Octets in a message."""
    max_recipients: Annotated[int, Field(ge=100)] = 1000
    """Recipients of one message."""
    max_connections: Annotated[int, Field(ge=1)] = 1000
    """Connections at one time from MTAs, of each worker."""


class Replica(ReplicaSettings):
    """The local copy of the registry's zone: where it comes from, and what is demanded of it."""

    run: bool = True
    """Keep the copy up to date by a process beside the workers. `false`: `countersign replica` \
on this host does, for several gateways at once."""


class RegistrySource(Section):
    """Where registered servers are looked up (DESIGN §7)."""

    kind: Literal["replica", "dns", "file"] = "replica"
    """`replica`: a copy of the registry's zone on this host, and the DNS where it cannot tell; \
`dns`: the zone by the resolver; `file`: a TOML or JSON file."""
    zone: Annotated[OptionalHostname, Field(examples=["registry.example"])] = ""
    """The registry's zone, for `replica` and `dns`."""
    path: Path = Path("/etc/countersign/registry.toml")
    """For `file`: the file, read again when it changes."""
    security: Literal["ad", "validate", "none"] | None = None
    """What makes an answer by the DNS believable. `ad`: a validating resolver says so, which must \
be trusted and near; `validate`: we validate DNSSEC ourselves, from `trust_anchors`; `none`: \
nothing. Default: `validate` where there are anchors, else `ad`."""
    trust_anchors: tuple[str, ...] = ()
    """The zone's DS or DNSKEY records as in a zone file, for `validate`."""
    replica: Replica = Replica()

    @model_validator(mode="after")
    def _is_complete(self) -> RegistrySource:
        if self.kind == "file":
            return self
        if not self.zone:
            raise ValueError(NO_ZONE)
        if self.dns_security == "validate":
            # Imported here: the supervisor asks the DNS nothing, and stays small.
            from countersign.registry.dnssec.anchors import parse_anchors

            parse_anchors(self.zone, self.trust_anchors)
        return self

    @property
    def dns_security(self) -> str:
        """What makes an answer by the DNS believable."""
        return self.security or ("validate" if self.trust_anchors else "ad")


NO_ZONE = "zone must be given when kind is replica or dns"


class Dns(Section):
    """The resolver."""

    nameservers: tuple[Endpoint, ...] = ()
    """Recursive resolvers; default: those of /etc/resolv.conf."""
    timeout: Seconds = 3
    """Seconds to wait for one server's answer."""
    lifetime: Seconds = 10
    """Seconds for a whole look-up, tries of other servers included."""


class Storage(Section):
    """The tables that processes share."""

    url: str = ""
    """Empty: a local store in the state directory; redis://HOST:PORT/DB for a farm of hosts."""
    secret_file: Path | None = None
    """Secret that marks our session IDs, 32 octets or more; the same on each host of a farm."""


class Config(Section):
    """The whole configuration of `countersign gateway`."""

    hostname: Hostname
    """The registered name of this host: its EHLO name, and what receivers ask back."""
    state_directory: Path = Path("/var/lib/countersign")
    """Where the tables, the self-signed certificate and the secret are kept."""
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    """Worker processes; 0: one for each core."""
    information_url: str = "https://countersign.example/why"
    """Page named in refusals, which tells the sender's operator what to do."""
    shutdown_timeout: Seconds = 60
    """Seconds that dialogues have to finish at a stop or reload."""
    receiving: Receiving = Receiving()
    verification: Verification = Verification()
    tls: Tls = Tls()
    sending: Sending = Sending()
    submission: Submission = Submission()
    milter: Milter = Milter()
    sign_in: SignIn = SignIn()
    limits: UserLimits = UserLimits()
    stamp: Stamp = Stamp()
    administrator: Administrator = Administrator()
    registrar: RegistrarLink = RegistrarLink()
    pages: Pages = Pages()
    # Not checked by itself where it is left out: see below.
    registry: RegistrySource = RegistrySource.model_construct()
    dns: Dns = Dns()
    storage: Storage = Storage()
    metrics: Metrics = Metrics()
    log: Log = Log()

    @model_validator(mode="after")
    def _zone_is_given(self) -> Config:
        if self.registry.kind != "file" and not self.registry.zone:
            raise ValueError(f"registry.{NO_ZONE}")
        return self

    @property
    def replica(self) -> ReplicaConfig | None:
        """What keeps this gateway's copy of the registry's zone; None: it has no copy."""
        if self.registry.kind != "replica":
            return None
        return ReplicaConfig(
            zone=self.registry.zone,
            state_directory=self.state_directory,
            replica=self.registry.replica,
            # The endpoint in this file is the supervisor's, which shows the replica's figures too.
            log=self.log,
        )
