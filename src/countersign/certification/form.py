"""One relay form, and how it is filled in with names and local parts. Pure."""

from __future__ import annotations

import secrets
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
