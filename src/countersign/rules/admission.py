"""Whether a client may send mail (DESIGN §4). Pure: facts in, decision out.

Strict mode: mail of an unregistered or unverified server is rejected before DATA. The
decision does not depend on the message, so it is the same for each MAIL of a session.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BlockRule(StrEnum):
    """What is refused from a blocked address (DESIGN §3.6)."""

    CLAIMED_HOST = "claimed-host"
    """Everything but an attempt to verify."""
    ALL = "all"
    """Everything: the proposal's literal rule."""


class Admission(StrEnum):
    """The decision on a client's mail."""

    ADMIT_PROVEN = "admit-proven"
    ADMIT_ALLOWED = "admit-allowed"
    """By the operator's allow list, which always wins."""
    REJECT_UNVERIFIED = "reject-unverified"
    REJECT_BLOCKED = "reject-blocked"

    @property
    def admits(self) -> bool:
        """True if mail may flow."""
        return self in (Admission.ADMIT_PROVEN, Admission.ADMIT_ALLOWED)


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of a client when it issues MAIL."""

    is_allowed: bool
    is_proven: bool
    """Its current EHLO name was verified on this connection."""
    is_blocked: bool
    """Its network is blocked for the host that it claims."""


def admit(client: Client) -> Admission:
    """Decide on MAIL in strict mode."""
    if client.is_allowed:
        return Admission.ADMIT_ALLOWED
    if client.is_proven:
        return Admission.ADMIT_PROVEN
    return Admission.REJECT_BLOCKED if client.is_blocked else Admission.REJECT_UNVERIFIED


def refuses_connection(*, is_allowed: bool, blocks: int, rule: BlockRule) -> bool:
    """Tell whether a connection is refused at its greeting already."""
    return rule is BlockRule.ALL and blocks > 0 and not is_allowed
