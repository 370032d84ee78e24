"""Settings of submission, the milter, users, keys, the journal and the pages (DESIGN §5)."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from countersign.gateway.backend.settings import Backend, BackendKind
from countersign.rules.submission import normalise_user
from countersign.settings.values import Endpoint, Network, Seconds, Section
from countersign.web.site import Site, SiteError

Count = Annotated[int, Field(ge=1, le=1_000_000)]


def _checked_domain(value: str) -> str:
    if "@" in value:
        raise ValueError("a domain is what follows the @")
    return normalise_user(value)


UserDomain = Annotated[str, AfterValidator(_checked_domain)]


class SourceKind(StrEnum):
    """Where passwords are checked."""

    LOCAL = "local"
    DOVECOT = "dovecot"
    LDAP = "ldap"


class Local(Section):
    """Users of this host, kept by `countersign users`."""

    scram_iterations: Annotated[int, Field(ge=4096, le=10_000_000)] = 100_000
    """Rounds of the key that SCRAM-SHA-256 checks (RFC 7677): each sign-in of a client costs it so
much."""


class Dovecot(Section):
    """Dovecot's authentication server, over its client socket."""

    socket: Path = Path("/run/dovecot/auth-client")
    """The socket."""
    timeout: Seconds = 30
    """Seconds to wait for an answer."""


class Ldap(Section):
    """A directory: the user's entry is looked for, then a bind with the password is tried."""

    url: str = ""
    """`ldaps://HOST`, or `ldap://HOST` with `start_tls`."""
    start_tls: bool = True
    """Encrypt before anything is said, for ldap:// URLs."""
    ca_file: Path | None = None
    """PEM file of authorities for the directory's certificate; default: the system's."""
    bind_dn: str = ""
    """Who looks for entries; empty: anybody may."""
    bind_password_file: Path | None = None
    """File with its password."""
    base: str = ""
    """Where entries are looked for."""
    filter: str = "(|(uid={user})(mail={user}))"
    """How an entry is found; {user} is what the client gave, made harmless."""
    name_attribute: str = "uid"
    """The attribute that names the user in counts and journal: one that users cannot change \
themselves. Of several values the first in the alphabet counts."""
    timeout: Seconds = 10
    """Seconds to wait for an answer."""

    @model_validator(mode="after")
    def _is_encrypted(self) -> Ldap:
        if not self.url:
            return self
        if not self.url.startswith(("ldap://", "ldaps://")):
            raise ValueError("url is written ldaps://HOST or ldap://HOST")
        if self.url.startswith("ldap://") and not self.start_tls and not _is_here(self.url):
            raise ValueError(
                "passwords would travel in clear: use ldaps:// or start_tls (only a directory on "
                "a loopback address may do without)"
            )
        if "{user}" not in self.filter:
            raise ValueError("filter must say where the name goes: {user}")
        return self


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


class SignIn(Section):
    """Who may sign in how, and how often it may fail. Nobody elsewhere can lock a user out."""

    source: SourceKind = SourceKind.LOCAL
    """`local`: users of this host (`countersign users`); `dovecot`; `ldap`."""
    mechanisms: tuple[Literal["SCRAM-SHA-256", "PLAIN", "LOGIN"], ...] = ("SCRAM-SHA-256", "PLAIN")
    """Offered where the source knows them; LOGIN only for clients that know nothing better."""
    lapse_seconds: Annotated[float, Field(gt=0, le=86400)] = 3600
    """Seconds after which who stays connected must sign in again before another message."""
    names: Literal["whole", "local-part"] = "whole"
    """How the milter, and Dovecot as `source`, read a name with an @. `whole`: its domain must be \
one of `domains`, and the name is counted as it is; `local-part`: whatever checks passwords drops \
what follows the @ (saslauthd, Dovecot with %n), and so does the count."""
    domains: tuple[UserDomain, ...] = ()
    """Domains in users' names, where `names` is `whole`: names with any other are refused. List \
those only whose users have passwords of their own: whom one password lets in under several names \
has the limits of each."""
    failures_window: Seconds = 3600
    """Seconds over which failures are counted."""
    failures_of_network: Count = 30
    """From one address (IPv6: /64), for whatever account: then that address has to wait, but for \
accounts that have signed in from there before."""
    failures_of_account_there: Count = 8
    """Of one account from one address: then that address has to wait for that account."""
    failures_of_account: Count = 50
    """Of one account from anywhere: then only addresses from which it has signed in before are \
heard."""
    local: Local = Local()
    dovecot: Dovecot = Dovecot()
    ldap: Ldap = Ldap()

    @model_validator(mode="after")
    def _directory_is_named(self) -> SignIn:
        if self.source is SourceKind.LDAP and not (self.ldap.url and self.ldap.base):
            raise ValueError("source is ldap: give ldap.url and ldap.base")
        return self

    @model_validator(mode="after")
    def _domains_are_told_apart(self) -> SignIn:
        if self.domains and self.names == "local-part":
            raise ValueError('domains are for names = "whole": "local-part" drops them')
        return self


class UserLimits(Section):
    """How many recipients a user may have; `countersign users limit` gives one user others."""

    recipients_per_message: Count = 50
    """Recipients of one message."""
    recipients_per_day: Count = 300
    """Recipients in any 24 hours; then the account is locked, and the administrator told."""


class Stamp(Section):
    """What each submitted message is marked and signed with."""

    user: bool = False
    """Put the user's name on the tracking stamp; never that of a privileged user."""
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 365
    """Days that the journal keeps what a tracking stamp leads back to."""


class SubmissionBackend(Backend):
    """Where submitted mail is handed over: an MTA, by SMTP."""

    address: Endpoint = "127.0.0.1:10587"
    """The MTA's listener; not that of `receiving.backend`."""


class Submission(Section):
    """The listener that users' mail programs connect to (DESIGN §5, RFC 6409, RFC 8314)."""

    enabled: bool = False
    """Whether users submit mail here."""
    listen: tuple[Endpoint, ...] = ("0.0.0.0:587", "[::]:587")
    """Addresses to listen on, with STARTTLS."""
    listen_tls: tuple[Endpoint, ...] = ("0.0.0.0:465", "[::]:465")
    """Addresses to listen on, with TLS from the first octet."""
    show_client: bool = False
    """Name the client's address in the Received field. The journal has it in any case."""
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    """Connections at one time, of each worker."""
    max_connections_per_network: Annotated[int, Field(ge=1)] = 50
    """Connections at one time from one IPv4 address or IPv6 /64, of each worker."""
    sign_in_timeout: Seconds = 60
    """Seconds that a client has, in all, to sign in."""
    command_timeout: Seconds = 300
    """Seconds to wait for the client's next command."""
    data_timeout: Seconds = 180
    """Seconds to wait for the next piece of a message."""
    max_message_size: Annotated[int, Field(ge=65536)] = 50 * 1024 * 1024
    """Octets in a message."""
    max_header_size: Annotated[int, Field(ge=1000)] = 256 * 1024
    """Octets in a message's header section."""
    max_errors: Annotated[int, Field(ge=1)] = 10
    """Bad commands after which the connection is closed."""
    backend: SubmissionBackend = SubmissionBackend()
    """The MTA that takes submitted mail."""

    @model_validator(mode="after")
    def _backend_is_smtp(self) -> Submission:
        if self.backend.kind is not BackendKind.SMTP:
            raise ValueError(
                'backend.kind must be "smtp": mail for everywhere goes through the MTA'
            )
        return self


class Milter(Section):
    """The same rules for the submission service of Postfix or Sendmail itself."""

    enabled: bool = False
    """Whether a milter is offered."""
    listen: tuple[Endpoint, ...] = ("unix:/run/countersign-milter/socket",)
    """Where to listen: unix:/path, in a directory that lets the MTA's group in alone. Whoever \
reaches this socket sends as any user, and is signed: at an address with a port that is every \
process of the hosts in `clients`."""
    clients: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose MTAs may ask, where `listen` is an address with a port."""
    idle_timeout: Seconds = 7200
    """Seconds to wait for the MTA's next word; its clients' patience is in its own hands."""
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    """Connections at one time, of each worker."""
    max_message_size: Annotated[int, Field(ge=65536)] = 50 * 1024 * 1024
    """Octets in a message."""
    max_header_size: Annotated[int, Field(ge=1000)] = 256 * 1024
    """Octets in a message's header section."""


class Administrator(Section):
    """Whom the gateway tells of locks, and whom users are sent to."""

    address: str = ""
    """Mail address that is told of locked accounts; empty: postmaster@ this host."""
    mta: Endpoint | Literal[""] = ""
    """The MTA that takes these letters. Empty: `submission.backend` where users submit mail to \
the gateway; else `receiving.backend` where that is an MTA; else 127.0.0.1:25."""
    contact: str = ""
    """What users are told to ask for more: an address, or a page. Empty: your administrator."""
    owner_name: str = ""
    """Name of the server's owner, for users' agreements."""
    owner_address: str = ""
    """Postal address of the server's owner, in one line with commas."""


class RegistrarLink(Section):
    """The registrar's API, for privileged users, keys and questions about offenders."""

    url: str = ""
    """Such as https://registrar.example; empty: nothing is told or asked."""
    token_file: Path | None = None
    """File with an API token of this server's owner (docs/API.md)."""
    server: Annotated[int, Field(ge=0)] = 0
    """This server's number at the registrar; 0: found by `hostname`."""
    ca_file: Path | None = None
    """PEM file of authorities for its certificate; default: the system's."""
    timeout: Seconds = 20
    """Seconds to wait for an answer."""


class Pages(Section):
    """The web pages for users (what have I sent, why am I locked) and the administrator."""

    listen: Endpoint | Literal[""] = ""
    """Address to serve them at, with this gateway's certificate unless on loopback; empty: none."""
    url: str = ""
    """Where users find them, for mails and replies; default: made of `listen`."""
    session_seconds: Seconds = 3600
    """Seconds after which a page's user must sign in again."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of web servers that stand before the pages and name the visitor in \
X-Forwarded-For: without them, all visitors share the limits on one address."""

    @field_validator("listen")
    @classmethod
    def _is_no_socket(cls, value: str) -> str:
        if value.startswith("unix:"):
            raise ValueError("the pages listen at ADDRESS:PORT")
        return value

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            return Site.of(value).origin if value else ""
        except SiteError as error:
            raise ValueError(str(error)) from None
