"""The relay forms: ways to write an envelope by which open relays were found. Pure.

The union of the known batteries: nmap's smtp-open-relay, MAPS, abuse.net, and classes of faults
found later. `{V}` is a foreign domain, `{T}` the host, `{D}` the mail domain that it serves,
`{I}` its address as a literal, `{F}` a foreign address. Local parts: `{U}` of the recipient and
`{S}` of the sender, by which the message is known if it arrives or comes back; `{O}` of another
sender, `{R}` random.
"""

from __future__ import annotations

from collections.abc import Iterator

from countersign.certification.form import Names, RelayForm, fill_in

__all__ = ["FORMS", "ORDINARY_SENDERS", "PLAIN", "Names", "RelayForm", "fill_in", "forms_for"]


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


def _forms_in_clear() -> Iterator[RelayForm]:
    """Write one form of each family outside TLS too: some servers let other rules hold there."""
    for name, title, recipient, sender, control in (
        ("from-null", "from the empty sender", _TO, "<>", ""),
        ("route", "by a route through the host", "<@{T}:{U}@{V}>", "", ""),
        ("percent", "to an address with a percent sign", "<{U}%{V}@{T}>", "", "<{R}@{T}>"),
        ("quoted", "to an address in quotes", '<"{U}@{V}"@{T}>', "", "<{R}@{T}>"),
        ("bang", "to a UUCP path", "<{V}!{U}@{T}>", "", "<{R}@{T}>"),
    ):
        yield RelayForm(
            f"{name}-in-clear",
            f"Relay {title}, outside TLS",
            recipient,
            sender,
            control,
            in_clear=True,
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
    *_forms_in_clear(),
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
