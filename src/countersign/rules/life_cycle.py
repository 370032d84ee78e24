"""The life of a server in the registry: one table of transitions (DESIGN §6). Pure.

    draft → submitted → screened → tested → offered → active ⇄ suspended → deregistered

and denied, withdrawn, lapsed. The proposal's 'Mail Server Registration' gives the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from countersign.rules.roles import Role


class State(StrEnum):
    """Where a server stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    SCREENED = "screened"
    TESTED = "tested"
    OFFERED = "offered"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEREGISTERED = "deregistered"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


ENDED = frozenset({State.DEREGISTERED, State.DENIED, State.WITHDRAWN})
"""States without a way back: the host must apply anew."""
LIVE = frozenset(State) - ENDED - {State.DRAFT}
"""States in which a host name is taken: there is one such server for a name. Drafts take none,
so that nobody can keep a name from its owner by beginning an application."""
PUBLISHED = frozenset({State.ACTIVE, State.SUSPENDED})
"""States in which the public zone names the server."""
MAY_BE_STRUCK_OFF = PUBLISHED | {State.LAPSED}
"""States from which an adjudicator may deregister a server."""


class Action(StrEnum):
    """What moves a server from one state to another."""

    SUBMIT = "submit"
    RETURN = "return"
    CLEAR = "clear"
    DENY = "deny"
    PASS_TEST = "pass-test"  # noqa: S105 - an action, not a password
    OFFER = "offer"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    DEREGISTER = "deregister"
    WITHDRAW = "withdraw"
    LAPSE = "lapse"
    RENEW = "renew"


class Need(StrEnum):
    """What must be so before a transition; the value says what is missing, to a person."""

    COMPLETE = "the application is not complete"
    IN_DNS = "the host name has no address in the DNS"
    CONFIRMED = "an e-mail address is not confirmed"
    SCREENED = "the screening has no decision"
    TESTED = "the relay test has not been passed"
    CONTRACT = "the contract is not accepted"
    BOND = "the security bond is not paid in full"
    FEE = "the yearly fee is not paid"
    REMEDY = "the remedy asked for at the suspension is not complete"


class Effect(StrEnum):
    """What a transition causes, in its own database transaction."""

    SCREEN = "screen"
    TEST = "test"
    OFFER = "offer"
    INVOICE = "invoice"
    PUBLISH = "publish"
    WITHDRAW_ENTRY = "withdraw-entry"
    REFUND = "refund"
    CANCEL_INVOICES = "cancel-invoices"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table."""

    to: State
    roles: frozenset[Role]
    needs: tuple[Need, ...] = ()
    effects: tuple[Effect, ...] = ()
    reason_required: bool = False


class TransitionError(Exception):
    """The transition must not be made; the message says why, to a person."""

    def __init__(self, text: str, unmet: tuple[Need, ...] = ()) -> None:
        super().__init__(text)
        self.unmet = unmet


_APPLICANT = frozenset({Role.OWNER, Role.AGENT})
_SCREENING = frozenset({Role.SCREENER, Role.SYSTEM})
_SYSTEM = frozenset({Role.SYSTEM})
_ADJUDICATION = frozenset({Role.ADJUDICATOR, Role.SYSTEM})
_REGISTERED = frozenset({State.ACTIVE, State.SUSPENDED, State.LAPSED})
_LEAVE = (Effect.CANCEL_INVOICES, Effect.NOTIFY)

_S, _A = State, Action
TRANSITIONS: dict[tuple[State, Action], Transition] = {
    (_S.DRAFT, _A.SUBMIT): Transition(
        _S.SUBMITTED,
        _APPLICANT,
        (Need.COMPLETE, Need.IN_DNS, Need.CONFIRMED),
        (Effect.SCREEN, Effect.NOTIFY),
    ),
    (_S.SUBMITTED, _A.RETURN): Transition(
        _S.DRAFT,
        frozenset({Role.SCREENER}),
        effects=(Effect.NOTIFY,),
        reason_required=True,
    ),
    (_S.SUBMITTED, _A.CLEAR): Transition(
        _S.SCREENED, _SCREENING, (Need.SCREENED,), (Effect.TEST, Effect.NOTIFY)
    ),
    (_S.SUBMITTED, _A.DENY): Transition(
        _S.DENIED, _SCREENING, effects=(Effect.NOTIFY,), reason_required=True
    ),
    (_S.SCREENED, _A.DENY): Transition(
        _S.DENIED, frozenset({Role.SCREENER}), effects=(Effect.NOTIFY,), reason_required=True
    ),
    (_S.SCREENED, _A.PASS_TEST): Transition(
        _S.TESTED,
        frozenset({Role.PROBE, Role.SCREENER, Role.SYSTEM}),
        (Need.TESTED,),
        (Effect.OFFER,),
    ),
    (_S.TESTED, _A.OFFER): Transition(_S.OFFERED, _SYSTEM, effects=(Effect.INVOICE, Effect.NOTIFY)),
    (_S.OFFERED, _A.ACTIVATE): Transition(
        _S.ACTIVE,
        _SYSTEM,
        (Need.CONTRACT, Need.BOND, Need.FEE),
        (Effect.PUBLISH, Effect.NOTIFY),
    ),
    (_S.OFFERED, _A.LAPSE): Transition(
        _S.WITHDRAWN, _SYSTEM, effects=(Effect.REFUND, *_LEAVE), reason_required=True
    ),
    (_S.ACTIVE, _A.SUSPEND): Transition(
        _S.SUSPENDED,
        _ADJUDICATION,
        effects=(Effect.PUBLISH, Effect.NOTIFY),
        reason_required=True,
    ),
    (_S.SUSPENDED, _A.REINSTATE): Transition(
        _S.ACTIVE,
        _ADJUDICATION,
        (Need.BOND, Need.FEE, Need.CONTRACT, Need.REMEDY),
        (Effect.PUBLISH, Effect.NOTIFY),
        reason_required=True,
    ),
    (_S.ACTIVE, _A.DEREGISTER): Transition(
        _S.DEREGISTERED,
        frozenset({Role.ADJUDICATOR}),
        effects=(Effect.WITHDRAW_ENTRY, *_LEAVE),
        reason_required=True,
    ),
    (_S.SUSPENDED, _A.DEREGISTER): Transition(
        _S.DEREGISTERED,
        frozenset({Role.ADJUDICATOR}),
        effects=(Effect.WITHDRAW_ENTRY, *_LEAVE),
        reason_required=True,
    ),
    (_S.LAPSED, _A.DEREGISTER): Transition(
        _S.DEREGISTERED,
        frozenset({Role.ADJUDICATOR}),
        effects=_LEAVE,
        reason_required=True,
    ),
    (_S.ACTIVE, _A.LAPSE): Transition(
        _S.LAPSED,
        _SYSTEM,
        effects=(Effect.WITHDRAW_ENTRY, Effect.NOTIFY),
        reason_required=True,
    ),
    # Nobody keeps a host name for ever by not paying for it.
    (_S.LAPSED, _A.LAPSE): Transition(
        _S.WITHDRAWN, _SYSTEM, effects=(Effect.REFUND, *_LEAVE), reason_required=True
    ),
    (_S.LAPSED, _A.RENEW): Transition(
        _S.ACTIVE,
        _SYSTEM,
        (Need.CONTRACT, Need.BOND, Need.FEE),
        (Effect.PUBLISH, Effect.NOTIFY),
    ),
    # Not from suspended: nobody leaves with a bond that is in dispute.
    **{
        (state, _A.WITHDRAW): Transition(
            _S.WITHDRAWN,
            # An agent applies; a registration, and the bond in it, is its owner's.
            _APPLICANT if state not in _REGISTERED else frozenset({Role.OWNER}),
            effects=(
                *((Effect.WITHDRAW_ENTRY,) if state in PUBLISHED else ()),
                Effect.REFUND,
                *_LEAVE,
            ),
        )
        for state in (
            _S.DRAFT,
            _S.SUBMITTED,
            _S.SCREENED,
            _S.TESTED,
            _S.OFFERED,
            _S.ACTIVE,
            _S.LAPSED,
        )
    },
}


def decide(
    state: State, action: Action, role: Role, *, unmet: frozenset[Need], reason: str
) -> Transition:
    """Return the transition that an action makes.

    unmet: every need that does not hold now; those that the transition does not ask for are
    of no account. Raises :class:`TransitionError`.
    """
    transition = TRANSITIONS.get((state, action))
    if transition is None:
        raise TransitionError(f"a server that is {state} cannot be changed by '{action}'")
    if role not in transition.roles:
        raise TransitionError(f"'{action}' is not for the role {role}")
    if transition.reason_required and not reason.strip():
        raise TransitionError(f"'{action}' needs a reason")
    missing = tuple(need for need in transition.needs if need in unmet)
    if missing:
        raise TransitionError("; ".join(missing), missing)
    return transition


_NEXT_STEPS: dict[State, str] = {
    State.DRAFT: "Complete the application and submit it.",
    State.SUBMITTED: "Nothing to do: the registrar checks the application.",
    State.SCREENED: "Keep the server reachable: its relay test is being made.",
    State.TESTED: "Nothing to do: the offer is being made out.",
    State.OFFERED: "Accept the contract, and pay the invoices or find sponsors.",
    State.ACTIVE: "Nothing to do: the server may send.",
    State.SUSPENDED: "See what lifts the suspension, and do it.",
    State.DEREGISTERED: "The registration has ended.",
    State.DENIED: "The application was refused. A new one may be made.",
    State.WITHDRAWN: "The registration was withdrawn. A new one may be made.",
    State.LAPSED: "Pay the yearly fee, and the server may send again.",
}


def next_step(state: State) -> str:
    """Return what the owner has to do next."""
    return _NEXT_STEPS[state]
