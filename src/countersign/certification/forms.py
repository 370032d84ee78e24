"""The relay forms: ways to write an envelope by which open relays were found. Pure.

The union of the known batteries: nmap's smtp-open-relay, MAPS, abuse.net, and classes of faults
found later. `{V}` is a foreign domain, `{T}` the host, `{D}` the mail domain that it serves,
`{I}` its address as a literal, `{F}` a foreign address. Local parts: `{U}` of the recipient and
`{S}` of the sender, by which the message is known if it arrives or comes back; `{O}` of another
sender, `{R}` random.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from countersign.certification.catalogue import RELAY_ADVICE, Test

FOREIGN_ADDRESS = "192.0.2.1"
"""Of TEST-NET-1 (RFC 5737): nobody's."""
MAX_COMMAND = 510
"""Octets of a command line without its ending (RFC 5321 §4.5.3.1.4)."""


@dataclass(frozen=True, slots=True)
class LocalParts:
    """Local parts of the addresses of one message; by default those by which nothing is known."""

    recipient: str = "relaytest"
    sender: str = "relaytest"
    other_sender: str = "tester"


_LONGEST = LocalParts("r" * 35, "b" * 35, "b" * 35)
"""As long as those of a test address, with a mark and a number."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the forms are filled in with."""

    host: str
    address: str
    foreign_domain: str
    mail_domain: str = ""
    """Empty: not known."""

    @property
    def literal(self) -> str:
        """The address as it is written in mail addresses (RFC 5321 §4.1.3)."""
        return f"[IPv6:{self.address}]" if ":" in self.address else f"[{self.address}]"


@dataclass(frozen=True, slots=True)
class RelayForm:
    """One form, as templates of the paths of MAIL and RCPT."""

    name: str
    title: str
    recipient: str
    sender: str = ""
    """Empty: whatever sender the server took before."""
    control: str = ""
    """A recipient that is unknown in the same place, where the form's own domain is not foreign:
    if that is accepted too, acceptance of the form says nothing."""
    parameters: str = ""
    """Of MAIL."""
    extension: str = ""
    """The form can be written only where the server offers this."""
    verb: str = "RCPT TO:"
    hello_again: bool = False
    in_clear: bool = False
    after_failed_auth: bool = False
    """A password made up by chance is tried first."""
    recipient_parameters: str = ""
    is_local: bool = False
    """The recipient itself is a local one: only a message that arrives says anything."""
    is_essential: bool = False
    """A deferral leaves the server untested; of odd senders it may be about the sender."""

    @property
    def test(self) -> Test:
        """The form as a test of the battery."""
        return Test(f"relay-{self.name}", self.title, RELAY_ADVICE, self.is_essential)

    def is_for(self, names: Names) -> bool:
        """Tell whether the form can be filled in, and differs from that with the host's name."""
        needs_domain = "{D}" in self.sender + self.recipient
        if needs_domain and names.mail_domain in ("", names.host):
            return False
        filled = fill_in(self, names, "<{S}@{V}>", "r" * 32, _LONGEST)
        commands = (filled.mail, filled.recipient, filled.control)
        return all(len(command.encode()) <= MAX_COMMAND for command in commands)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A form filled in: commands without their line endings."""

    mail: str
    recipient: str
    control: str = ""


def random_part() -> str:
    """Return a local part that is nobody's."""
    return f"relaytest-{secrets.token_hex(8)}"


def fill_in(
    form: RelayForm, names: Names, sender: str, random_part: str, parts: LocalParts = LocalParts()
) -> Envelope:
    """Return the commands of a form; ``sender`` is a template for forms that name none.

    Raises :class:`ValueError` if a value has a line ending in it.
    """

    def fill(template: str) -> str:
        return template.format(
            V=names.foreign_domain,
            T=names.host,
            D=names.mail_domain,
            I=names.literal,
            F=f"[{FOREIGN_ADDRESS}]",
            R=random_part,
            U=parts.recipient,
            S=parts.sender,
            O=parts.other_sender,
        )

    envelope = Envelope(
        mail=f"MAIL FROM:{fill(form.sender or sender)}{form.parameters}",
        recipient=f"{form.verb}{fill(form.recipient)}{fill(form.recipient_parameters)}",
        control=f"RCPT TO:{fill(form.control)}" if form.control else "",
    )
    together = envelope.mail + envelope.recipient + envelope.control
    if "\r" in together or "\n" in together:
        raise ValueError("a line ending inside an address")
    return envelope


def forms_for(names: Names) -> tuple[RelayForm, ...]:
    """Return the forms to try on a server, in their order."""
    return tuple(form for form in FORMS if form.is_for(names))


ORDINARY_SENDERS = ("<{S}@{V}>", "<{S}@{T}>", "<>")
"""For forms that name no sender: the first that the server takes."""

_TO = "<{U}@{V}>"
PLAIN = RelayForm("plain", "Relay", _TO, "<{S}@{V}>")
"""For ports where one form is enough."""


def _sender_forms() -> Iterator[RelayForm]:
    """Write a plain foreign recipient, from senders that some servers trust by their name alone."""
    for name, title, sender in (
        ("from-null", "from the empty sender", "<>"),
        ("from-foreign", "from a foreign domain", "<{O}@{V}>"),
        ("from-host", "from an address of the host itself", "<{S}@{T}>"),
    ):
        yield RelayForm(name, f"Relay {title}", _TO, sender, is_essential=True)
    for name, title, sender in (
        ("from-recipient", "from the recipient's own address", _TO),
        ("from-mail-domain", "from an address of the mail domain", "<{S}@{D}>"),
        ("from-postmaster", "from postmaster of the mail domain", "<postmaster@{D}>"),
        ("from-literal", "from the server's own IP address", "<{S}@{I}>"),
        ("from-localhost", "from localhost", "<{S}@localhost>"),
        ("from-no-domain", "from an address without a domain", "<{S}>"),
        (
            "from-nonexistent",
            "from a domain that does not exist",
            "<{S}@nonexistent.invalid>",
        ),
        ("from-no-brackets", "from an address without brackets", "{S}@{V}"),
    ):
        yield RelayForm(name, f"Relay {title}", _TO, sender)


def _foreign_forms() -> Iterator[RelayForm]:
    """Write the foreign recipient in other ways: who takes one of them relays."""
    for name, title, recipient in (
        ("to-no-brackets", "to an address without brackets", "{U}@{V}"),
        ("to-trailing-dot", "to a domain with a trailing dot", "<{U}@{V}.>"),
        ("to-literal", "to a foreign IP address", "<{U}@{F}>"),
        ("route-host", "by a route through the host", "<@{T}:{U}@{V}>"),
        ("route-literal", "by a route through the IP address", "<@{I}:{U}@{V}>"),
        ("route-localhost", "by a route through localhost", "<@localhost:{U}@{V}>"),
        ("route-two", "by a route through host and mail domain", "<@{T},@{D}:{U}@{V}>"),
    ):
        yield RelayForm(name, f"Relay {title}", recipient)
    yield RelayForm("to-loose-verb", "Relay with a loosely written command", _TO, verb="rcpt to: ")


def _hidden_forms() -> Iterator[RelayForm]:
    """Hide the foreign recipient in a local part."""
    for name, title, recipient, control in (
        ("quoted", "in quotes", '<"{U}@{V}">', "<{R}>"),
        ("quoted-percent", "in quotes with a percent sign", '<"{U}%{V}">', "<{R}>"),
        ("percent", "with a percent sign", "<{U}%{V}>", "<{R}>"),
        ("bang", "as a UUCP path", "<{V}!{U}>", "<{R}>"),
        ("percent-host", "with a percent sign at the host", "<{U}%{V}@{T}>", "<{R}@{T}>"),
        ("quoted-host", "in quotes at the host", '<"{U}@{V}"@{T}>', "<{R}@{T}>"),
        ("two-at-host", "with two at signs at the host", "<{U}@{V}@{T}>", "<{R}@{T}>"),
        ("bang-host", "as a UUCP path at the host", "<{V}!{U}@{T}>", "<{R}@{T}>"),
        ("mixed-host", "as a path with a percent sign", "<{V}!{U}%{V}@{T}>", "<{R}@{T}>"),
        ("nested-percent", "with two percent signs", "<{U}%{V}%{V}@{T}>", "<{R}@{T}>"),
        (
            "encapsulated",
            "by Exchange's rules",
            "<IMCEASMTP-{U}+40{V}@{T}>",
            "<{R}@{T}>",
        ),
        ("percent-domain", "with a percent sign at the domain", "<{U}%{V}@{D}>", "<{R}@{D}>"),
        ("quoted-domain", "in quotes at the domain", '<"{U}@{V}"@{D}>', "<{R}@{D}>"),
        ("percent-literal", "with a percent sign at the IP", "<{U}%{V}@{I}>", "<{R}@{I}>"),
        ("quoted-literal", "in quotes at the IP address", '<"{U}@{V}"@{I}>', "<{R}@{I}>"),
        ("two-at-literal", "with two at signs at the IP", "<{U}@{V}@{I}>", "<{R}@{I}>"),
        ("bang-literal", "as a UUCP path at the IP address", "<{V}!{U}@{I}>", "<{R}@{I}>"),
        ("plus-domain", "with a plus sign at the domain", "<{U}+{V}@{D}>", "<{R}@{D}>"),
        ("quoted-localhost", "in quotes at localhost", '<"{U}@{V}"@localhost>', "<{R}@localhost>"),
        (
            "percent-localhost",
            "with a percent sign at localhost",
            "<{U}%{V}@localhost>",
            "<{R}@localhost>",
        ),
    ):
        yield RelayForm(name, f"Relay to an address hidden {title}", recipient, control=control)
    for name, recipient, control in (
        ("wide-at", "<{U}\uff20{V}>", "<{R}>"),
        ("wide-percent", "<{U}\uff05{V}@{T}>", "<{R}@{T}>"),
    ):
        yield RelayForm(
            name,
            "Relay to an address with a full-width sign",
            recipient,
            control=control,
            parameters=" SMTPUTF8",
            extension="SMTPUTF8",
        )


FORMS = (
    RelayForm("in-clear", "Relay outside TLS", _TO, is_essential=True, in_clear=True),
    *_sender_forms(),
    RelayForm("second-hello", "Relay after a second EHLO", _TO, hello_again=True),
    *_foreign_forms(),
    *_hidden_forms(),
    RelayForm(
        "orcpt",
        "Relay to the original recipient of mail to postmaster",
        "<postmaster@{D}>",
        recipient_parameters=" ORCPT=rfc822;{U}@{V}",
        extension="DSN",
        is_local=True,
    ),
    RelayForm("mail-auth", "Relay with an empty submitter", _TO, parameters=" AUTH=<>"),
    # Late, as they may end the connection.
    RelayForm(
        "after-failed-auth",
        "Relay after a failed AUTH",
        _TO,
        extension="AUTH",
        after_failed_auth=True,
    ),
    RelayForm("control-octet", "Relay with a NUL octet", '<"{U}@{V}\0"@{T}>'),
)
"""Every form; those of :attr:`RelayForm.in_clear` are tried outside TLS."""
