"""Settings of the MTA behind the gateway (DESIGN §4, Delivery)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import model_validator

from countersign.settings.values import Endpoint, Hostname, Seconds, Section


class BackendKind(StrEnum):
    """Where admitted mail goes."""

    SMTP = "smtp"
    LMTP = "lmtp"
    MAILDIR = "maildir"


class ClientInformation(StrEnum):
    """How a backend over SMTP is told who the client is."""

    XCLIENT = "xclient"
    PROXY = "proxy"
    NONE = "none"


class Backend(Section):
    """Where admitted mail is delivered."""

    kind: BackendKind = BackendKind.SMTP
    """`smtp` or `lmtp`: proxied reply by reply to an MTA; `maildir`: written here."""
    address: Endpoint = "127.0.0.1:10025"
    """The MTA's listener, for `smtp` and `lmtp`."""
    client_information: ClientInformation = ClientInformation.XCLIENT
    """`xclient` (used where the MTA offers it), `proxy` (PROXY protocol v2) or `none`."""
    maildir: str = ""
    """For `maildir`: path of a user's Maildir, with {domain} and {local_part}."""
    domains: tuple[Hostname, ...] = ()
    """For `maildir`: the domains whose mailboxes are here."""
    connect_timeout: Seconds = 15
    """Seconds to wait for a connection to the MTA."""
    reply_timeout: Seconds = 300
    """Seconds to wait for each of its replies; the reply to the end of data gets twice that."""

    @model_validator(mode="after")
    def _maildir_is_complete(self) -> Backend:
        if self.kind is BackendKind.MAILDIR:
            if not (self.maildir.startswith("/") and "{local_part}" in self.maildir):
                raise ValueError('maildir must be an absolute path with "{local_part}" in it')
            if not self.domains:
                raise ValueError("domains must name the domains whose mailboxes are here")
        return self
