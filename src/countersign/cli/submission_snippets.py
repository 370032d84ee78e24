"""The parts on submission of what `countersign setup` prints (DESIGN §5)."""

from __future__ import annotations

from pathlib import Path

from countersign.cli.naming_advice import naming_lines, saslauthd_lines
from countersign.gateway.backend.settings import ClientInformation
from countersign.gateway.config import Config

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - read, not bound
_RULE = "-" * 20

_EIGHT_BITS = """\
# In main.cf, so that signatures of 8-bit mail hold at servers that announce 7 bits only:
#   disable_mime_output_conversion = yes
"""


_SOCKET = """\
{mark} Whoever reaches the gateway's socket sends in any user's name: its directory lets in
{mark} nobody but the MTA. Let /etc/tmpfiles.d/countersign-milter.conf be the following line,
{mark} call systemd-tmpfiles --create, and then restart the gateway.
{mark}   d {directory} {mode} countersign {group}
"""
_PORT = """\
{mark} Every process that reaches {endpoint} sends in any user's name, and is signed: keep
{mark} all but the MTA from it, or let milter.listen be unix:/run/countersign-milter/socket.
"""


def postfix_milter(config: Config) -> str:
    """Return the services of master.cf on which users submit mail to Postfix itself."""
    head = f"""\
#
# --- master.cf: users submit mail to Postfix, which asks the gateway {_RULE}
# In place of the services of these names. How users sign in (smtpd_sasl_type, smtpd_sasl_path) and
# the certificate (smtpd_tls_chain_files) are as in main.cf. These services only: whatever comes
# by them must have signed in. With other milters, countersign comes last: what is signed must
# not be changed, and what was counted not be refused. Mail that users submit must not be rewritten
# on its way out either (smtp_generic_maps, smtp_header_checks).
"""
    head += naming_lines(config, "#")
    head += _about_socket(config, "#", "2750", "postfix")
    if config.milter.listen[0].startswith("unix:"):
        head += "# No chroot for these services (the second 'n'): there they would not find it.\n"
    if not config.sending.enabled:
        head += _EIGHT_BITS
    # On the second the client's first octet is TLS (RFC 8314).
    services = (("submission", "no"), ("submissions", "yes"))
    return head + "".join(_postfix_service(config, *one) for one in services)


def _postfix_service(config: Config, name: str, wrapped: str) -> str:
    return f"""\
{name} inet n - n - - smtpd
    -o syslog_name=postfix/{name}
    -o smtpd_tls_security_level=encrypt
    -o smtpd_tls_wrappermode={wrapped}
    -o smtpd_tls_auth_only=yes
    -o smtpd_sasl_auth_enable=yes
    -o smtpd_client_restrictions=
    -o smtpd_helo_restrictions=
    -o smtpd_sender_restrictions=
    -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
    -o smtpd_recipient_restrictions=
    -o smtpd_milters={_postfix_address(config)}
    -o milter_default_action=tempfail
"""


def postfix_behind_listener(config: Config) -> str:
    """Return the service of master.cf that takes mail from the gateway's own listener.

    Raises :class:`ValueError` for what would be open to everybody.
    """
    backend = config.submission.backend
    host, _, port = backend.address.rpartition(":")
    is_loopback = host in ("127.0.0.1", "[::1]")
    gateway = "127.0.0.0/8,[::1]/128" if is_loopback else host
    if backend.client_information is ClientInformation.PROXY and not is_loopback:
        raise ValueError(
            "submission.backend must be at 127.0.0.1 or [::1] with client_information 'proxy': "
            "Postfix cannot tell there who else connects"
        )
    options = {
        # Who may say XCLIENT says who has signed in; from anybody else nothing is taken.
        ClientInformation.XCLIENT: (
            f"smtpd_authorized_xclient_hosts={gateway}",
            "smtpd_sasl_auth_enable=yes",
            "smtpd_relay_restrictions=permit_sasl_authenticated,reject",
        ),
        ClientInformation.PROXY: (
            "smtpd_upstream_proxy_protocol=haproxy",
            # A mere 'permit' is an open relay to Postfix, which then does not start.
            "smtpd_relay_restrictions=check_client_access,static:OK,reject",
        ),
        ClientInformation.NONE: (
            f"mynetworks={gateway}",
            "smtpd_relay_restrictions=permit_mynetworks,reject",
        ),
    }[backend.client_information]
    told = "".join(f"    -o {option}\n" for option in options)
    return f"""\
#
# --- master.cf: users submit mail to the gateway, Postfix takes it from there {_RULE}
# Comment the services 'submission' and 'submissions' out, and add:
{host}:{port} inet n - n - - smtpd
    -o syslog_name=postfix/behind-submission
    -o smtpd_tls_security_level=none
    -o smtpd_client_restrictions=
    -o smtpd_helo_restrictions=
    -o smtpd_sender_restrictions=
    -o smtpd_recipient_restrictions=
{told}\
    -o smtpd_client_connection_rate_limit=0
    -o smtpd_client_connection_count_limit=0
    -o smtpd_milters=
"""


def sendmail_snippet(config: Config) -> str:
    """Return lines for sendmail.mc. Raises :class:`ValueError` if none fit."""
    if not config.milter.enabled:
        raise ValueError("milter.enabled must be true: Sendmail asks the gateway by its milter")
    return f"""\
dnl Sendmail beside the Countersign gateway of {config.hostname}
dnl
dnl --- sendmail.mc: users submit mail to Sendmail, which asks the gateway {_RULE}
dnl In place of the daemon MSA. Not INPUT_MAIL_FILTER, which would be for port 25 too: from mail
dnl servers nobody signs in there. Certificate and key (confSERVER_CERT, confSERVER_KEY) and how
dnl users sign in are as elsewhere in this file. With other filters, countersign comes last.
{saslauthd_lines(config, "dnl")}\
{_about_socket(config, "dnl", "0750", "countersign")}\
define(`confAUTH_OPTIONS', `A p y')dnl
define(`confMILTER_MACROS_HELO', `{{tls_version}}')dnl
define(`confMILTER_MACROS_ENVFROM', `i, {{auth_authen}}, {{tls_version}}')dnl
dnl Lines that were signed are not to be cut in two on their way out.
define(`SMTP_MAILER_LL', `998')dnl
MAIL_FILTER(`countersign', `S={_sendmail_address(config)}, F=T, T=C:30s;S:60s;R:60s;E:10m')dnl
DAEMON_OPTIONS(`Port=submission, Name=MSA, M=Ea, InputMailFilters=countersign')dnl
"""


def _about_socket(config: Config, mark: str, mode: str, group: str) -> str:
    endpoint = config.milter.listen[0]
    if not endpoint.startswith("unix:"):
        return _PORT.format(mark=mark, endpoint=endpoint)
    directory = Path(endpoint.removeprefix("unix:")).parent
    return _SOCKET.format(mark=mark, directory=directory, mode=mode, group=group)


def _postfix_address(config: Config) -> str:
    endpoint = config.milter.listen[0]
    if endpoint.startswith("unix:"):
        return endpoint
    host, _, port = endpoint.rpartition(":")
    return f"inet:{_ANYWHERE.get(host, host)}:{port}"


def _sendmail_address(config: Config) -> str:
    endpoint = config.milter.listen[0]
    if endpoint.startswith("unix:"):
        return endpoint
    host, _, port = endpoint.rpartition(":")
    address = _ANYWHERE.get(host, host).strip("[]")
    return f"{'inet6' if ':' in address else 'inet'}:{port}@{address}"
