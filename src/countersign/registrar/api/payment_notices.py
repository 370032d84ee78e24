"""Where the payment provider tells of payments: signed, and counted once each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Body, Header, Request
from starlette.responses import Response

from countersign.registrar.api.answering import show
from countersign.registrar.api.caller import office_of
from countersign.registrar.api.problems import ProblemError, answers
from countersign.registrar.api.shapes import Shape
from countersign.registrar.money.webhook import WebhookError, verify
from countersign.registrar.operations import payments
from countersign.registrar.web.access import SIGNED, declare

router = APIRouter(tags=["Payment provider"])


class Taken(Shape):
    """The notice was taken."""

    payment: int
    """The registrar's number of the payment."""


@router.post("/payment-notices", response_model=Taken, responses=answers(401, 409, 422))
@declare(SIGNED)
def take_notice(
    request: Request,
    body: Annotated[bytes, Body(media_type="application/octet-stream")],
    signature: Annotated[str | None, Header(alias="Countersign-Signature", max_length=2000)] = None,
) -> Response:
    """Take a payment notice: JSON, signed as `t=<unix time>,v1=<HMAC-SHA256 of "t.body">`.

    The same payment is counted once, however often it is told.
    """
    office = office_of(request)
    try:
        notice = verify(
            _secrets(office.config.money.webhook_secret_file), signature, body, office.clock()
        )
    except WebhookError as error:
        raise ProblemError(401, f"Refused: {error.reason}.") from None
    with office.work() as work:
        payment = payments.record_notice(work, notice)
        number = payment.id
    return show(Taken(payment=number))


def _secrets(path: Path | None) -> list[bytes]:
    """Return the secrets in a file, one a line: the new one and the old one while they change."""
    if path is None:
        return []
    return [line.strip() for line in path.read_bytes().splitlines() if line.strip()]
