"""Payment notices that a payment provider signs and sends by HTTP.

The signature has the form that Stripe made common::

    Countersign-Signature: t=1700000000,v1=<hex HMAC-SHA256 of "1700000000.<body>">

Several ``v1`` may stand there, and several secrets be known, so that a secret can be changed
without a gap. A notice may be delivered more than once: ``event`` tells.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from countersign.registrar.money.amount import LARGEST, minor_digits
from countersign.registrar.money.reference import parse_creditor_reference

HEADER = "Countersign-Signature"
TOLERANCE = timedelta(minutes=5)
"""How far the signature's time may be from ours, in both directions."""
MAX_BODY = 64 * 1024
MAX_HEADER = 2048
MAX_SIGNATURES = 10
_TIME = re.compile(r"[0-9]{1,12}\Z", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}\Z")


class Reason(StrEnum):
    """Why a notice is refused; safe to tell the sender."""

    NO_SECRET = "no secret is configured"  # noqa: S105 - a sentence, not a secret
    TOO_BIG = "the notice is too big"
    HEADER = "the signature header is missing or malformed"
    TIME = "the signature is too old, or from the future"
    SIGNATURE = "the signature is wrong"
    BODY = "the notice is malformed"


class WebhookError(Exception):
    """The notice must not be acted upon."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


def _creditor_reference(text: str) -> str:
    reference = parse_creditor_reference(text)
    if reference is None:
        raise ValueError("not an ISO 11649 creditor reference")
    return reference


def _currency(code: str) -> str:
    minor_digits(code)
    return code


Identifier = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class PaymentNotice(BaseModel):
    """One payment that has reached the provider.

    Unknown fields are refused: what they mean for the money cannot be guessed.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    event: Identifier
    """The provider's number of this notice; the same at every delivery."""
    payment: Identifier
    """The provider's number of the payment."""
    reference: Annotated[str, Field(max_length=40), AfterValidator(_creditor_reference)]
    """The invoice's creditor reference; compact after validation."""
    amount: Annotated[int, Field(ge=1, le=LARGEST)]
    """In the currency's minor unit."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$"), AfterValidator(_currency)]
    paid_at: AwareDatetime


def sign(secret: bytes, body: bytes, now: datetime) -> str:
    """Return the header's value for a body. `now` is timezone-aware."""
    moment = str(int(now.timestamp()))
    return f"t={moment},v1={_hmac(secret, moment, body)}"


def verify(
    secrets: Sequence[bytes], header: str | None, body: bytes, now: datetime
) -> PaymentNotice:
    """Return the notice, if one of the secrets has signed it of late.

    Raises :class:`WebhookError`. Replays within the tolerance are for the caller to see by
    ``event``.
    """
    known = [secret for secret in secrets if secret]
    if not known:
        raise WebhookError(Reason.NO_SECRET)
    if len(body) > MAX_BODY:
        raise WebhookError(Reason.TOO_BIG)
    moment, signatures = _parse(header or "")
    # All are compared, always: how long it takes says nothing about which secret is near.
    matches = [
        hmac.compare_digest(_hmac(secret, moment, body), signature)
        for secret in known
        for signature in signatures
    ]
    if not any(matches):
        raise WebhookError(Reason.SIGNATURE)
    if abs(now.timestamp() - int(moment)) > TOLERANCE.total_seconds():
        raise WebhookError(Reason.TIME)
    return _notice(body)


def _hmac(secret: bytes, moment: str, body: bytes) -> str:
    return hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def _parse(header: str) -> tuple[str, list[str]]:
    if len(header) > MAX_HEADER:
        raise WebhookError(Reason.HEADER)
    moments: list[str] = []
    signatures: list[str] = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and _TIME.match(value):
            moments.append(value)
        elif name == "v1" and _SIGNATURE.match(value):
            signatures.append(value)
    if len(moments) != 1 or not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise WebhookError(Reason.HEADER)
    return moments[0], signatures


def _notice(body: bytes) -> PaymentNotice:
    try:
        return PaymentNotice.model_validate_json(body)
    except ValidationError as error:
        # Names of fields and reasons only: never what was in them.
        faults = "; ".join(
            f"{'.'.join(str(part)[:40] for part in fault['loc']) or 'body'}: {fault['type']}"
            for fault in error.errors(include_input=False, include_context=False)[:5]
        )
        raise WebhookError(Reason.BODY, faults) from None
