"""How the event log of a server reads to a person: a title and a tone for each word of it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.documents_of import label_of
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.particulars.steps import all_steps
from countersign.rules.life_cycle import Action, State
from countersign.storage.database.servers import ServerEvent
from countersign.web.filters import money, wording

_TITLES: dict[str, tuple[str, str]] = {
    str(action): words
    for action, words in {
        Action.SUBMIT: ("Application submitted", "info"),
        Action.RETURN: ("Application returned to be changed", "warn"),
        Action.CLEAR: ("Screening passed", "good"),
        Action.DENY: ("Application refused", "bad"),
        Action.PASS_TEST: ("Ready for an offer", "good"),
        Action.OFFER: ("Registration offered", "info"),
        Action.ACTIVATE: ("Registered: sending privileges granted", "good"),
        Action.SUSPEND: ("Suspended", "bad"),
        Action.REINSTATE: ("Reinstated", "good"),
        Action.DEREGISTER: ("Struck off the registry", "bad"),
        Action.WITHDRAW: ("Withdrawn", ""),
        Action.LAPSE: ("Lapsed", "warn"),
        Action.RENEW: ("Renewed", "good"),
        Deed.BEGUN: ("Application begun", ""),
        Deed.CHANGED: ("Particulars changed", ""),
        Deed.CONTACT_CONFIRMED: ("E-mail address confirmed", "good"),
        Deed.DOCUMENT_ATTACHED: ("Document uploaded", ""),
        Deed.DOCUMENT_REMOVED: ("Document removed", ""),
        Deed.CONTROL_PROVEN: ("Control of the host proven", "good"),
        Deed.CONTROL_ASKED: ("Proof of control looked for", ""),
        Deed.SCREENED: ("Compared with known offenders", ""),
        Deed.DOMAIN_AGE: ("Age of the domain looked up", ""),
        Deed.TEST_PASSED: ("Relay test passed", "good"),
        Deed.TEST_FAILED: ("Relay test failed", "bad"),
        Deed.TEST_IMPOSSIBLE: ("Relay test could not be made", "warn"),
        Deed.TEST_ASKED: ("Relay test asked for", ""),
        Deed.PERSPECTIVES_DIFFER: ("The server answers different testers differently", "warn"),
        Deed.MESSAGE_ARRIVED: ("A message of an earlier test arrived after all", "warn"),
        Deed.SENDING_TEST_ASKED: ("Test as a sender asked for", ""),
        Deed.SENDING_TEST_PASSED: ("Test as a sender passed", "good"),
        Deed.SENDING_TEST_FAILED: ("Test as a sender failed", "bad"),
        Deed.USER_REGISTERED: ("Privileged user registered", ""),
        Deed.USER_REVOKED: ("Privileged user revoked", ""),
        Deed.KEY_REGISTERED: ("Key registered", ""),
        Deed.KEY_REVOKED: ("Key revoked", ""),
        Deed.TRAP_RETIRED: ("Trap replaced by another", ""),
        Happening.BOND_REVIEWED: ("Bond assessed anew", "info"),
        Happening.PAYMENT: ("Payment received", "good"),
        Happening.PAYMENT_TAKEN_BACK: ("Payment taken back by the bank", "bad"),
        Happening.FEE_PAID: ("Yearly fee paid", "good"),
        Happening.REFUND_SET_ASIDE: ("Refund set aside", "info"),
        Happening.PAID_OUT: ("Refund paid out", "good"),
        Happening.PAYOUT_RETURNED: ("Refund came back from the bank", "warn"),
        Happening.CONTRACT_ACCEPTED: ("Contract accepted", "good"),
        Happening.SPONSOR_ASKED: ("Sponsor asked", ""),
        Happening.SPONSOR_ACCEPTED: ("Sponsor accepted", "good"),
        Happening.SPONSOR_DECLINED: ("Sponsor declined", "warn"),
        Happening.SPONSOR_NOTICE: ("Sponsor gave notice", "warn"),
        Happening.SPONSOR_ENDED: ("Sponsorship ended", ""),
        Happening.VOUCHED: ("Vouches for another server", "info"),
        Happening.SHARE_AT_RISK: ("A server that it vouches for is said to have spammed", "warn"),
        Happening.SHARE_CLAIMED: ("Sponsor's share claimed", "bad"),
        Happening.SHARE_WAIVED: ("Sponsor's share waived", "good"),
        Happening.FORFEITURE_PROPOSED: ("Forfeiture of the bond proposed", "bad"),
        Happening.FORFEITURE_REPLIED: ("Reply to the forfeiture", "info"),
        Happening.FORFEITED: ("Bond forfeited", "bad"),
        Happening.FORFEITURE_DROPPED: ("Forfeiture dropped", "good"),
        Happening.SUSPENSION_CHANGED: ("Suspension changed", "warn"),
        Happening.REMEDY_REPORTED: ("The owner says what has been done", "info"),
        Happening.REMEDY_DONE: ("Cause of the suspension removed", "good"),
        Happening.DEREGISTRATION_PROPOSED: ("Deregistration proposed", "bad"),
        Happening.DEREGISTRATION_DROPPED: ("Deregistration dropped", "good"),
    }.items()
}


def title(event: ServerEvent) -> str:
    """Return what happened, in a few words."""
    known = _TITLES.get(event.action)
    if event.action == Action.LAPSE and event.to_state is State.WITHDRAWN:
        return "Offer not taken up in time"
    return known[0] if known else wording(event.action)


def tone(event: ServerEvent) -> str:
    """Return the colour: good, info, warn, bad, or empty."""
    known = _TITLES.get(event.action)
    return known[1] if known else ""


def note(event: ServerEvent) -> str:
    """Return what the event's details add for those whom the server concerns; may be empty."""
    make = _NOTES.get(event.action)
    return make(event.details) if make is not None else str(event.details.get("sponsor", ""))


CONTACTS = {
    "account": "The owner's account",
    "owner": "Address of the owner",
    "admin": "Address of the admin contact",
}
"""The contacts of an application; see `operations.dossier.contact_addresses`."""


def _bond(details: dict[str, Any]) -> str:
    amount, currency = details.get("bond"), details.get("currency")
    if not isinstance(amount, int) or not isinstance(currency, str) or not currency:
        return ""
    reasons = "; ".join(str(one) for one in details.get("reasons") or [])
    return f"Bond {money(amount, currency)}{f': {reasons}' if reasons else ''}"


def _step(details: dict[str, Any]) -> str:
    names = {spec.name: spec.title for spec in all_steps().values()}
    return names.get(str(details.get("step")), "")


def _document(details: dict[str, Any]) -> str:
    return label_of(str(details.get("kind", "")))


_NOTES: dict[str, Callable[[dict[str, Any]], str]] = {
    Action.OFFER: _bond,
    Happening.BOND_REVIEWED: _bond,
    Deed.CHANGED: _step,
    Deed.DOCUMENT_ATTACHED: _document,
    Deed.DOCUMENT_REMOVED: _document,
    Deed.CONTACT_CONFIRMED: lambda details: CONTACTS.get(str(details.get("contact", "")), ""),
    Deed.CONTROL_PROVEN: lambda details: str(details.get("evidence", "")),
    Happening.VOUCHED: lambda details: str(details.get("server", "")),
    Happening.CONTRACT_ACCEPTED: lambda details: f"Version {details.get('version', '')}",
}
