"""What would follow from a decision, in sentences for whoever is about to make it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from countersign.registrar.operations.rehearsal import (
    Billed,
    Booked,
    Consequence,
    Listed,
    Ordered,
    Told,
    Written,
)
from countersign.registrar.web.event_words import title
from countersign.rules.roles import Role
from countersign.storage.database.money import InvoiceState, Purpose
from countersign.storage.database.publication import Listing
from countersign.storage.database.servers import ServerEvent
from countersign.web.filters import money, wording


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing that would follow."""

    subject: str
    """What it concerns, in a word or two."""
    text: str


PURPOSES: dict[Purpose, str] = {
    Purpose.BANK: "the bank",
    Purpose.UNALLOCATED: "unallocated payments",
    Purpose.BOND_HELD: "bond held",
    Purpose.BOND_FORFEITED: "bonds forfeited",
    Purpose.FEE_INCOME: "fees",
    Purpose.REFUND_DUE: "refunds due",
    Purpose.CHARGES: "charges and losses",
}
"""The ledger's accounts, to a person."""
_LISTINGS = {
    Listing.REGISTERED: "{host} is published as registered: mail from it is taken.",
    Listing.SUSPENDED: "{host} is published as suspended{text}: mail from it is refused.",
    Listing.ABSENT: "{host} is taken out: mail from it counts as unregistered.",
}
_ORDERS = {
    "test": "A relay test of the server is made.",
    "control": "The owner must prove control of the host: it is looked for, and tested then.",
    "offer": "The offer is made out: bond, fee, invoices.",
    "screen": "The application is compared with the known offenders.",
    "domain-age": "The age of the domain is asked for.",
    "review": "The bonds of servers that it vouches for are looked at anew.",
    "publish": "The public zone is brought up to date.",
    "address": "The server's addresses are looked up, for the zone's list of them.",
    "forfeiture": "The bond is forfeited when the time to reply has passed without a reply.",
}
_INVOICES = {
    InvoiceState.OPEN: "Invoice {number} stays open",
    InvoiceState.PAID: "Invoice {number} is paid",
    InvoiceState.CANCELLED: "Invoice {number} is cancelled",
}
_RECIPIENTS = {
    Role.OWNER: "the owner",
    Role.AGENT: "the agent",
    Role.ADMIN_CONTACT: "the admin contact",
    None: "others whom it concerns",
}


def sentences(consequences: Sequence[Consequence]) -> list[Sentence]:
    """Return what would follow, the gravest first; each sentence once."""
    made = [
        *(_event(one) for one in consequences if isinstance(one, Written)),
        *(_listing(one) for one in consequences if isinstance(one, Listed)),
        *(_entry(one) for one in consequences if isinstance(one, Booked)),
        *(_invoice(one) for one in consequences if isinstance(one, Billed)),
        *(_order(one) for one in consequences if isinstance(one, Ordered)),
        *_letters(one for one in consequences if isinstance(one, Told)),
    ]
    return list(dict.fromkeys(made))


def _event(one: Written) -> Sentence:
    if one.begin is not None and one.to is not None and one.begin is not one.to:
        return Sentence("State", f"{one.hostname} is {one.to}, no longer {one.begin}.")
    words = title(ServerEvent(action=one.action, to_state=one.to))
    return Sentence("Event log", f"{one.hostname}: {words[:1].lower()}{words[1:]}.")


def _listing(one: Listed) -> Sentence:
    text = f" (“{one.text}”)" if one.text else ""
    return Sentence("Public zone", _LISTINGS[one.listing].format(host=one.hostname, text=text))


def _entry(one: Booked) -> Sentence:
    where = f", for {one.hostname}" if one.hostname else ""
    return Sentence(
        "Ledger",
        f"{money(one.amount, one.currency)} from {PURPOSES[one.debit]} to "
        f"{PURPOSES[one.credit]}{where}.",
    )


def _invoice(one: Billed) -> Sentence:
    amount = f"{money(one.amount, one.currency)} ({wording(one.kind).lower()}) for {one.hostname}"
    if not one.number:
        return Sentence("Invoice", f"An invoice of {amount} is issued.")
    return Sentence("Invoice", f"{_INVOICES[one.state].format(number=one.number)}: {amount}.")


def _order(one: Ordered) -> Sentence:
    return Sentence("Next", _ORDERS.get(one.kind, f"{wording(one.kind)}."))


def _letters(letters: Iterable[Told]) -> list[Sentence]:
    recipients: dict[str, list[str]] = {}
    for one in letters:
        known = recipients.setdefault(one.hostname, [])
        if _RECIPIENTS[one.role] not in known:
            known.append(_RECIPIENTS[one.role])
    return [
        Sentence(
            "Letters",
            f"To {_enumerated(roles)}{f' of {host}' if host else ''}.",
        )
        for host, roles in recipients.items()
    ]


def _enumerated(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
