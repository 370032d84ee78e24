"""How often one address may do what costs us or others: guess, send mail, ask."""

from __future__ import annotations

from dataclasses import dataclass

from countersign.registrar.config import Security
from countersign.web.security.addresses import Limiter

_MAILS_AN_HOUR = 20
_SIGN_UPS_AN_HOUR = 20
_CHALLENGES_AN_HOUR = 120


@dataclass(frozen=True, slots=True)
class Throttles:
    """Counters of one process, by address (see `addresses.bucket_of`)."""

    failures: Limiter
    """Sign-ins that failed."""
    devices: Limiter
    """Sign-ins that failed from a browser that is known (by the device)."""
    mails: Limiter
    """Mails that a stranger made us send."""
    sign_ups: Limiter
    challenges: Limiter
    """Dialogues with a passkey that a stranger began: each is a row for some minutes."""

    @classmethod
    def of(cls, security: Security) -> Throttles:
        """Make them from the configuration."""
        window = security.lock_minutes * 60
        return cls(
            failures=Limiter(security.address_failures, window),
            devices=Limiter(security.failures, window),
            mails=Limiter(_MAILS_AN_HOUR, 3600),
            sign_ups=Limiter(_SIGN_UPS_AN_HOUR, 3600),
            challenges=Limiter(_CHALLENGES_AN_HOUR, 3600),
        )
