"""Where the registrar's probes get their orders, and bring what they found (DESIGN §8)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from countersign.certification.exchange import Enrolled, Enrolment, OrdersWanted, SignedOrder
from countersign.certification.outcome import BatteryResult
from countersign.registrar.api.caller import office_of
from countersign.registrar.api.guarding import GuardedRoute
from countersign.registrar.api.probe_caller import ProbeCaller
from countersign.registrar.api.probe_waiting import WaitingRoom
from countersign.registrar.api.problems import ProblemError, answers
from countersign.registrar.api.shapes import Key53
from countersign.registrar.operations import probe_orders, probes
from countersign.registrar.operations.office import ConflictError, NotFoundError, Office, Work
from countersign.registrar.operations.order_signing import public_order_key, sign_order
from countersign.registrar.web.access import INVITED, declare, probe
from countersign.storage.database.probing import Probe

router = APIRouter(tags=["Probes"], route_class=GuardedRoute)
results = APIRouter(tags=["Probes"], route_class=GuardedRoute)
"""Its requests may be as large as a result."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Read in a thread: it may be long.
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "What the battery of tests found, with the transcripts.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.post("/probe/enrolments", response_model=Enrolled, responses=answers(404, 422))
@declare(INVITED)
def enrol_probe(request: Request, wanted: Enrolment) -> Response:
    """Enrol a probe: with the one-time token of its invitation, it makes its key known.

    The same token with the same key may be sent again, where the answer was lost.
    """
    with office_of(request).work() as work:
        enrolled = probes.enrol(
            work,
            token=wanted.token,
            public_key=wanted.public_key,
            network=wanted.network,
            as_number=wanted.as_number,
            version=wanted.version,
        )
        told = Enrolled(id=enrolled.id, name=enrolled.name, order_key=public_order_key(work))
    return _private(told.model_dump())


@router.post(
    "/probe/orders",
    response_model=SignedOrder,
    responses={**answers(404), 204: {"description": "There is none now."}},
)
@declare(probe())
async def fetch_order(request: Request, wanted: OrdersWanted, *, caller: ProbeCaller) -> Response:
    """Give a probe its next order, signed by the registrar; 204: there was none for so long."""
    office, waiting = office_of(request), request.app.state.waiting
    assert isinstance(waiting, WaitingRoom)
    held = frozenset(wanted.held)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wanted.wait
    while True:
        signed = await run_in_threadpool(_take, office, caller, wanted.version, held)
        if signed is not None:
            return _private(signed.model_dump())
        left = deadline - loop.time()
        if left <= 0 or not await waiting.wait(caller, left, held):
            return Response(status_code=204)
        if await request.is_disconnected():
            # It would be given to nobody.
            return Response(status_code=204)


def _take(office: Office, key: int, version: str, held: frozenset[int]) -> SignedOrder | None:
    try:
        with office.work() as work:
            order = probe_orders.next_order(work, _probe(work, key), version, held)
            if order is None or order.id in held:
                return None
            signed = sign_order(work, order)
    except ConflictError:
        # Another probe was first, or an order has just ended: looked at again in a second.
        return None
    return SignedOrder(order=signed.text, signature=signed.signature)


@results.post(
    "/probe/orders/{order}/result",
    status_code=204,
    responses=answers(404, 409, 422),
    openapi_extra=_BODY,
)
@declare(probe())
def take_result(request: Request, order: Key53, *, caller: ProbeCaller) -> Response:
    """Take what a probe found. The same result may be sent again, where the answer was lost."""
    result = _result(request.state.body)
    with office_of(request).work() as work:
        probe_orders.take_result(work, _probe(work, caller), order, result)
    return Response(status_code=204)


def _result(body: bytes) -> BatteryResult:
    try:
        if _NUL.search(body) is None:
            return BatteryResult.model_validate_json(body)
    except ValidationError as error:
        faults = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(faults) from None
    raise ProblemError(400, "There is a NUL in the text, which no test writes.")


def _probe(work: Work, key: int) -> Probe:
    found = probes.enrolled(work, key)
    if found is None:
        # It was there when the request began.
        raise NotFoundError("There is no such probe.")
    return found


def _private(values: dict[str, Any]) -> Response:
    return JSONResponse(values, headers={"Cache-Control": "no-store"})
