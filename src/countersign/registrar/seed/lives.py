"""Made-up lives of servers: which transitions, when. They follow the table of the life cycle."""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass

from countersign.rules.life_cycle import TRANSITIONS, Action, State
from countersign.rules.roles import Role

_A = Action
_COURSE = (_A.SUBMIT, _A.CLEAR, _A.PASS_TEST, _A.OFFER, _A.ACTIVATE)
_ENDS: tuple[tuple[float, tuple[Action, ...]], ...] = (
    (0.880, _COURSE),
    (0.025, (*_COURSE, _A.SUSPEND)),
    (0.010, (*_COURSE, _A.SUSPEND, _A.REINSTATE)),
    (0.005, (*_COURSE, _A.SUSPEND, _A.DEREGISTER)),
    (0.020, (*_COURSE, _A.WITHDRAW)),
    (0.015, (*_COURSE, _A.LAPSE)),
    (0.010, ()),
    (0.010, _COURSE[:1]),
    (0.005, _COURSE[:2]),
    (0.010, _COURSE[:4]),
    (0.010, (_A.SUBMIT, _A.DENY)),
)
_PAUSES = {_A.CLEAR: 2, _A.PASS_TEST: 1, _A.OFFER: 0.01, _A.ACTIVATE: 12, _A.DENY: 3}
"""Typical days before an action; for all others a long time may pass."""
_REASONS = {
    _A.SUSPEND: "Unsolicited mail was sent from this server, proven by its signature.",
    _A.REINSTATE: "The bond was paid anew and the user responsible was named.",
    _A.DEREGISTER: "Repeated offences.",
    _A.DENY: "The papers do not show who the applicant is.",
    _A.LAPSE: "The yearly fee was not paid.",
}
PUBLIC_REASON = "Unsolicited mail, proven by signature"


@dataclass(frozen=True, slots=True)
class Happening:
    """One transition."""

    action: Action
    begin: State
    to: State
    role: Role
    at: datetime.datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Life:
    """A server's life until now."""

    created_at: datetime.datetime
    happenings: tuple[Happening, ...]

    @property
    def state(self) -> State:
        """Where it stands now."""
        return self.happenings[-1].to if self.happenings else State.DRAFT

    @property
    def state_since(self) -> datetime.datetime:
        """Since when."""
        return self.happenings[-1].at if self.happenings else self.created_at

    def when(self, action: Action) -> datetime.datetime | None:
        """Return when an action happened first."""
        return next((one.at for one in self.happenings if one.action is action), None)


def live(draw: random.Random, now: datetime.datetime) -> Life:
    """Return a life that began in the last three years."""
    actions = draw.choices(
        [actions for _, actions in _ENDS], weights=[weight for weight, _ in _ENDS]
    )[0]
    age = draw.uniform(1, 1000 if len(actions) >= len(_COURSE) else 20)
    created = now - datetime.timedelta(days=age)
    # Times between creation and now, in the right order and of the right kind.
    weights = [draw.uniform(0.5, 1.5) * _PAUSES.get(action, 30) for action in actions]
    rest = draw.uniform(0.5, 1.5) * (200 if len(actions) == len(_COURSE) else 20)
    scale = min(1.0, age / (sum(weights) + rest))
    happenings = []
    state, at = State.DRAFT, created
    for action, weight in zip(actions, weights, strict=True):
        transition = TRANSITIONS[state, action]
        at += datetime.timedelta(days=weight * scale)
        role = min(transition.roles, key=lambda one: (one is Role.SYSTEM, one))
        happenings.append(
            Happening(action, state, transition.to, role, at, _REASONS.get(action, ""))
        )
        state = transition.to
    return Life(created, tuple(happenings))
