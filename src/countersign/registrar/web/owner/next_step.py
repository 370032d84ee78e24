"""What has to be done next with a server, in words, and the page where it is done. Pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from babel.dates import format_date

from countersign.registrar.queries.next_steps import Facts
from countersign.rules.life_cycle import ENDED, State, next_step
from countersign.storage.database.money import InvoiceKind
from countersign.storage.database.servers import Server
from countersign.web.filters import LOCALE, money

_WORDS = {
    InvoiceKind.BOND: "the security bond",
    InvoiceKind.FEE: "the yearly fee",
    InvoiceKind.SPONSOR_SHARE: "the share that you owe as a sponsor",
}


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do next."""

    text: str
    note: str = ""
    path: str = ""
    """Where, below the server's own address; empty: nowhere."""
    label: str = ""
    """What the button says."""
    waiting: bool = False
    """Nothing to do but wait."""

    def url(self, server: Server) -> str:
        """Return the page where it is done; empty: there is none."""
        return f"/servers/{server.id}{self.path}" if self.path else ""


def next_step_of(server: Server, facts: Facts) -> NextStep:
    """Return what has to be done next."""
    if server.state in ENDED:
        return _of_the_rest(facts) or NextStep(next_step(server.state), waiting=True)
    if server.state is State.DRAFT:
        return NextStep(
            next_step(State.DRAFT), path="/application", label="Continue the application"
        )
    if server.state is State.SCREENED:
        return _of_test(facts) if server.control_proven_at else _of_control(server)
    if server.state in (State.SUBMITTED, State.TESTED):
        return NextStep(next_step(server.state), waiting=True)
    return _of_promises(server, facts)


def _of_control(server: Server) -> NextStep:
    return NextStep(
        "Prove that you control the host: the relay test waits for it.",
        server.control_seen,
        path="/control",
        label="See how",
    )


def _of_test(facts: Facts) -> NextStep:
    if facts.test == "failed":
        return NextStep(
            "Put right what the relay test found, then ask for another test.",
            path="/tests",
            label="See the test",
        )
    if facts.test == "could-not-test":
        return NextStep(
            "Make the server reachable: its relay test could not be made.",
            "It is tried again by itself, or at once if you ask.",
            path="/tests",
            label="See the test",
        )
    if facts.test == "passed":
        # It has passed and has not gone on: this registrar asks for one thing more.
        return NextStep(
            "Let the server send a test message: it must prove itself as a sender, too.",
            path="/sending-test",
            label="See how",
        )
    return NextStep(next_step(State.SCREENED), path="/tests", label="See the tests", waiting=True)


def _of_promises(server: Server, facts: Facts) -> NextStep:
    if facts.forfeiture is not None and facts.forfeiture.replied_at is None:
        return NextStep(
            "Reply to the proposed forfeiture of the bond.",
            f"Until {_day(facts.forfeiture.reply_until)}.",
            path="/cases",
            label="Read and reply",
        )
    if not facts.has_contract:
        again = server.active_since is not None
        return NextStep(
            "Accept the new version of the contract." if again else "Accept the contract.",
            _offer_ends(server),
            path="/contract",
            label="Read the contract",
        )
    if server.state is State.SUSPENDED and server.remedy and server.remedy_done_at is None:
        return NextStep(
            "Do what lifts the suspension.", path="/cases", label="See what is asked for"
        )
    if server.state is State.ACTIVE and not facts.owed:
        return NextStep(next_step(State.ACTIVE), waiting=True)
    return _of_the_rest(facts, _offer_ends(server)) or NextStep(
        "Wait for the registrar: an adjudicator decides on the suspension."
        if server.state is State.SUSPENDED
        else "Nothing to do: it is being completed.",
        path="/cases" if server.state is State.SUSPENDED else "",
        label="See the case",
        waiting=True,
    )


def _of_the_rest(facts: Facts, note: str = "") -> NextStep | None:
    if not facts.owed:
        return None
    owed = facts.owed
    what = " and ".join(
        f"{_WORDS[one.invoice.kind]} of {money(one.amount, one.invoice.currency)}" for one in owed
    )
    due = f"Due by {_day(owed[0].invoice.due_on)}."
    return NextStep(f"Pay {what}.", note or due, path="/money", label="See how to pay")


def _offer_ends(server: Server) -> str:
    if server.state is not State.OFFERED or server.offer_ends_on is None:
        return ""
    return f"The offer ends on {_day(server.offer_ends_on)}."


def _day(day: datetime.date) -> str:
    return format_date(day, "d MMMM y", locale=LOCALE)
