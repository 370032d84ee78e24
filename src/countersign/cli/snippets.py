"""The texts that `countersign setup` prints. Each is used as it is in a test."""

from __future__ import annotations

from countersign.cli.submission_snippets import postfix_behind_listener, postfix_milter
from countersign.gateway.backend.settings import BackendKind, ClientInformation
from countersign.gateway.config import Config


def postfix_snippet(config: Config) -> str:
    """Return lines for main.cf and master.cf. Raises :class:`ValueError` if none fit."""
    parts = ["# Postfix beside the Countersign gateway of " + config.hostname]
    if config.receiving.enabled:
        parts.append(_postfix_receiving(config))
    if config.sending.enabled:
        parts.append(_postfix_sending(config))
    if config.submission.enabled:
        parts.append(postfix_behind_listener(config))
    if config.milter.enabled:
        parts.append(postfix_milter(config))
    return "\n".join(parts)


def _postfix_receiving(config: Config) -> str:
    backend = config.receiving.backend
    if backend.kind is not BackendKind.SMTP:
        raise ValueError("receiving.backend.kind must be 'smtp' for Postfix behind the gateway")
    host, _, port = backend.address.rpartition(":")
    gateway = "127.0.0.0/8 [::1]/128" if host in ("127.0.0.1", "[::1]") else host
    told = {
        ClientInformation.XCLIENT: f"-o smtpd_authorized_xclient_hosts={gateway.replace(' ', ',')}",
        ClientInformation.PROXY: "-o smtpd_upstream_proxy_protocol=haproxy",
        ClientInformation.NONE: "-o syslog_name=postfix/behind-countersign",
    }[backend.client_information]
    return f"""\
#
# --- master.cf: the gateway listens on port 25, Postfix behind it -----------------------
# Comment the line 'smtp inet n - y - - smtpd' out, and add:
{host}:{port} inet n - n - - smtpd
    {told}
    -o smtpd_tls_security_level=none
    -o smtpd_client_connection_rate_limit=0
    -o smtpd_client_connection_count_limit=0
"""


def _postfix_sending(config: Config) -> str:
    endpoint = config.sending.listen[0]
    where = endpoint if endpoint.startswith("unix:") else f"inet:{endpoint}"
    patience = int(config.sending.total_timeout) + 60
    return f"""\
#
# --- main.cf: mail to the world goes through the gateway, which proves who we are -------
default_transport = lmtp:{where}
lmtp_data_done_timeout = {patience}s
lmtp_destination_recipient_limit = {min(config.sending.max_recipients, 50)}
# Each recipient's status, and each DSN, stays Postfix's work.
"""


def exim_snippet(config: Config) -> str:
    """Return a router, a transport and the listener for Exim. Raises :class:`ValueError`."""
    parts = ["# Exim beside the Countersign gateway of " + config.hostname]
    if config.receiving.enabled:
        parts.append(_exim_receiving(config))
    if config.sending.enabled:
        parts.append(_exim_sending(config))
    return "\n".join(parts)


def _exim_receiving(config: Config) -> str:
    backend = config.receiving.backend
    if backend.kind is not BackendKind.SMTP:
        raise ValueError("receiving.backend.kind must be 'smtp' for Exim behind the gateway")
    if backend.client_information is ClientInformation.XCLIENT:
        raise ValueError(
            "Exim knows no XCLIENT: set receiving.backend.client_information to 'proxy' or 'none'"
        )
    host, _, port = backend.address.rpartition(":")
    told = ""
    if backend.client_information is ClientInformation.PROXY:
        told = (
            "# Needs an Exim built with PROXY support: exim -bV | grep PROXY. Without it, set\n"
            "# receiving.backend.client_information to 'none' and leave this line out.\n"
            f"hosts_proxy = {host.strip('[]')}\n"
        )
    return f"""\
#
# --- main section: the gateway listens on port 25, Exim behind it ------------------------
local_interfaces = <; {host.strip("[]")}.{port}
{told}"""


def _exim_sending(config: Config) -> str:
    host, _, port = config.sending.listen[0].rpartition(":")
    if config.sending.listen[0].startswith("unix:"):
        raise ValueError("the first of sending.listen must be an address and port for Exim")
    return f"""\
#
# --- routers section, in place of the router 'dnslookup' ---------------------------------
countersign:
  driver = manualroute
  domains = ! +local_domains
  transport = countersign
  route_list = * {host}
  self = send
  no_more
#
# --- transports section -------------------------------------------------------------------
countersign:
  driver = smtp
  protocol = lmtp
  port = {port}
  hosts_try_fastopen =
  final_timeout = {int(config.sending.total_timeout) + 60}s
"""
