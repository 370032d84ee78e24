"""Where the payment provider tells of payments: signed, and counted once each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from countersign.registrar.api.answering import show
from countersign.registrar.api.caller import office_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.problems import ProblemError, answers
from countersign.registrar.api.shapes import Shape
from countersign.registrar.money.webhook import (
    HEADER,
    MAX_HEADER,
    PaymentNotice,
    Reason,
    WebhookError,
    verify,
)
from countersign.registrar.operations import payments
from countersign.registrar.web.access import SIGNED, declare

log = structlog.get_logger()
router = APIRouter(tags=["Payment provider"], route_class=GuardedRoute)

# Read as it was signed, octet for octet; not by FastAPI.
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": PaymentNotice.model_json_schema()}},
    }
}
_CODES = {Reason.BODY: 422, Reason.TOO_BIG: 413}


class Taken(Shape):
    """The notice was taken."""

    payment: int
    """The registrar's number of the payment."""


@router.post(
    "/payment-notices",
    response_model=Taken,
    responses=answers(401, 409, 413, 422, 503),
    openapi_extra=_BODY,
)
@declare(SIGNED)
def take_notice(
    request: Request,
    signature: Annotated[str | None, Header(alias=HEADER, max_length=MAX_HEADER)] = None,
) -> Response:
    """Take a payment notice: JSON, signed as `t=<unix time>,v1=<HMAC-SHA256 of "t.body">`.

    The same payment is counted once, however often it is told.
    """
    office = office_of(request)
    secrets = _secrets(office.config.money.webhook_secret_file)
    try:
        notice = verify(secrets, signature, request.state.body, office.clock())
    except WebhookError as error:
        code = _CODES.get(error.reason, 401)
        # What it says of a body is said to whoever has the secret only.
        detail = str(error) if error.reason is Reason.BODY else str(error.reason)
        challenge = {"WWW-Authenticate": HEADER} if code == 401 else None
        raise ProblemError(code, f"Refused: {detail}.", headers=challenge) from None
    with office.work() as work:
        payment = payments.record_notice(work, notice)
    return show(Taken(payment=payment.id))


def _secrets(path: Path | None) -> list[bytes]:
    """Return the secrets in a file, one a line: the new one and the old one while they change.

    Raises :class:`ProblemError` where it cannot be read: the provider tries again.
    """
    if path is None:
        return []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        log.error("the secrets of payment notices cannot be read", reason=error.strerror)
        raise ProblemError(503, "Notices cannot be checked now: try again later.") from None
    return [line.strip() for line in lines if line.strip()]
