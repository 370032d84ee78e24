"""What follows from a verification (DESIGN §3.4, §3.6). Pure.

A verification that could not be made is never FALSE: no block, and the sender tries again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a verification ended. The value is the reason in logs and metrics."""

    PROVEN = "proven"
    """Registered, and the claimed host answered TRUE."""
    FALSE = "false"
    """The claimed host answered FALSE."""
    PIN_MISMATCH = "pin-mismatch"
    """The host that answered does not hold the key which the registry pins."""
    NOT_REGISTERED = "not-registered"
    SUSPENDED_SERVER = "suspended-server"
    """Registered, but its sending privileges are withdrawn."""
    REGISTRY_UNAVAILABLE = "registry-unavailable"
    REGISTRY_STALE = "registry-stale"
    """Not in a copy of the registry that is too old to tell: the host may be new."""
    DNS_FAILED = "dns-failed"
    NO_ADDRESS = "no-address"
    """The claimed host has no address that may be called back."""
    UNREACHABLE = "unreachable"
    """No connection, no TLS, no dialogue, or not in time."""
    QUESTION_SUSPENDED = "question-suspended"
    """The claimed host answers no questions of ours at present."""
    TOO_MANY_ATTEMPTS = "too-many-attempts"
    STORE_UNAVAILABLE = "store-unavailable"


class Consequence(StrEnum):
    """What the receiver does."""

    ADMIT = "admit"
    REFUSE_AND_BLOCK = "refuse-and-block"
    DEFER = "defer"


_REFUSED = {
    Outcome.FALSE: "the host you claim to be does not know this session",
    Outcome.NOT_REGISTERED: "the host you claim to be is not registered",
    Outcome.SUSPENDED_SERVER: "the sending privileges of this host are suspended",
}
_DEFERRED = {
    # A wrong key is answered by an impostor of the *claimed host* (DNS, routing), who may not
    # be the client's doing: nobody is admitted, and nobody is blocked.
    Outcome.PIN_MISMATCH: "the claimed host answered with another key than the registered one",
    Outcome.REGISTRY_UNAVAILABLE: "the registry could not be asked",
    Outcome.REGISTRY_STALE: "the registry could not be asked whether this host is registered",
    Outcome.DNS_FAILED: "the name of the claimed host could not be resolved",
    Outcome.NO_ADDRESS: "the claimed host has no address that can be called back",
    Outcome.UNREACHABLE: "the claimed host could not be asked",
    Outcome.QUESTION_SUSPENDED: "the claimed host answers no questions at present",
    Outcome.TOO_MANY_ATTEMPTS: "too many verification attempts from your address",
    Outcome.STORE_UNAVAILABLE: "a local store is out of reach",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the receiver does, and the words for the reply."""

    consequence: Consequence
    words: str


def refusal_by_registry(*, is_listed: bool, is_suspended: bool, is_stale: bool) -> Outcome | None:
    """Return how a verification ends by what the registry says alone; None: a callback decides.

    is_stale: the entry is of a copy past its age limit (DESIGN §7). Such a copy may be too old to
    know a host, so that 'absent' is no answer. But 'suspended' is the last that the registrar is
    known to have decided, and 'registered' has to be proven by the callback besides.
    """
    if not is_listed:
        return Outcome.REGISTRY_STALE if is_stale else Outcome.NOT_REGISTERED
    return Outcome.SUSPENDED_SERVER if is_suspended else None


def judge(outcome: Outcome) -> Judgement:
    """Return what follows from an outcome."""
    if outcome is Outcome.PROVEN:
        return Judgement(Consequence.ADMIT, "verified")
    if outcome in _REFUSED:
        return Judgement(Consequence.REFUSE_AND_BLOCK, _REFUSED[outcome])
    return Judgement(Consequence.DEFER, _DEFERRED[outcome])
