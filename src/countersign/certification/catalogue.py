"""The tests of the battery but for the relay forms: names, titles, what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Test:
    """One test of the battery."""

    __test__ = False

    name: str
    title: str
    how_to_fix: str
    is_essential: bool = True


ADDRESS = Test(
    "address",
    "The host name leads to a public address",
    "Publish an A or AAAA record of the host name with the server's public address.",
    # Essential is what is seen of the server itself.
    is_essential=False,
)
CONNECTION = Test(
    "connection",
    "The server answers on its port and greets",
    "Open port 25 to the whole internet, and let the server greet with 220.",
)
HELLO = Test(
    "hello",
    "EHLO is understood",
    "Use a mail server that speaks ESMTP (RFC 5321).",
)
CLIENT_OVERRIDE = Test(
    "client-override",
    "Strangers cannot claim to be another client",
    "Allow XCLIENT and XFORWARD to your own proxies only "
    "(Postfix: smtpd_authorized_xclient_hosts, smtpd_authorized_xforward_hosts).",
)
AUTH_IN_CLEAR = Test(
    "auth-in-clear",
    "Passwords are not taken outside TLS",
    "Offer AUTH inside TLS only (Postfix: smtpd_tls_auth_only = yes; Exim: "
    "auth_advertise_hosts with a condition on $tls_in_cipher), or not on this port at all.",
)
VERIFICATION_IN_CLEAR = Test(
    "verification-in-clear",
    "Questions about sessions are not answered outside TLS",
    "Offer XSESSIONID and XVERIFY inside TLS only (docs/PROTOCOL.md, section 3).",
)
START_TLS = Test(
    "starttls",
    "STARTTLS works, with TLS 1.2 or later",
    "Offer STARTTLS with a certificate, and TLS 1.2 and 1.3.",
)
INJECTION = Test(
    "starttls-injection",
    "Commands sent in clear behind STARTTLS are not obeyed",
    "Update the mail server: whatever was received before the TLS handshake must be thrown "
    "away (CVE-2011-0411; RFC 3207, section 6).",
)
POSTMASTER = Test(
    "postmaster",
    "Mail to postmaster@ is taken",
    "Make a mailbox or an alias postmaster@ in the mail domain (RFC 5321, section 4.5.1).",
    is_essential=False,
)
ABUSE = Test(
    "abuse",
    "Mail to abuse@ is taken",
    "Make a mailbox or an alias abuse@ in the mail domain (RFC 2142).",
    is_essential=False,
)
VERIFICATION = Test(
    "verification",
    "The server answers questions about sessions truly",
    "Run a gateway on this host that speaks the verification protocol: it must offer XSESSIONID "
    "and XVERIFY inside TLS, and answer 550 5.7.1 FALSE about an ID that it never gave "
    "(docs/PROTOCOL.md).",
)
REVERSE_DNS = Test(
    "reverse-dns",
    "The address leads back to a name",
    "",
    is_essential=False,
)

RELAY_ADVICE = (
    "Take mail from strangers for your own domains only. Postfix: reject_unauth_destination in "
    "smtpd_relay_restrictions, a short mynetworks, allow_untrusted_routing = no. Exim: "
    "relay_to_domains and relay_from_hosts."
)

NEED_TLS = (POSTMASTER, ABUSE, VERIFICATION, INJECTION)
"""Made inside TLS only."""
BEFORE_RELAY = (
    CONNECTION,
    HELLO,
    CLIENT_OVERRIDE,
    VERIFICATION_IN_CLEAR,
    AUTH_IN_CLEAR,
    START_TLS,
    *NEED_TLS,
)
"""The tests of an address before the relay forms, in their order."""
