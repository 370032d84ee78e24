"""One order from the registrar: whether it is ours and good, and the battery that it asks for."""

from __future__ import annotations

import asyncio
import datetime

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from countersign.certification.assignment import Order
from countersign.certification.exchange import SignedOrder
from countersign.certification.outcome import BatteryResult
from countersign.certification.run import run_battery
from countersign.certification.signing import Purpose, SignatureError, verify
from countersign.certification.standpoint import Standpoint
from countersign.protocol.address import AddressSyntaxError

log = structlog.get_logger()


class RefusedError(Exception):
    """The order is not carried out; the message says why."""


def checked_order(
    signed: SignedOrder, key: Ed25519PublicKey, probe: int, now: datetime.datetime
) -> Order:
    """Return an order of the registrar to this very probe, for which there is time.

    Raises :class:`RefusedError`.
    """
    try:
        verify(key, Purpose.ORDER, signed.order.encode(), signed.signature)
    except SignatureError:
        raise RefusedError("it is not signed with the registrar's key") from None
    try:
        order = Order.model_validate_json(signed.order)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RefusedError(
            f"it asks for what this version of the program does not know ({where})"
        ) from None
    if order.probe != probe:
        raise RefusedError(f"it is for probe {order.probe}, and this is {probe}")
    if order.ends_at <= now:
        late = (now - order.ends_at).total_seconds()
        raise RefusedError(f"its time was over {late:.0f} s ago: is the clock right?")
    return order


async def carry_out(order: Order, standpoint: Standpoint) -> BatteryResult | None:
    """Run the battery; None: there is no result, and the log says why.

    It is given up when the order's time is over.
    """
    host = order.assignment.host
    seconds = (order.ends_at - datetime.datetime.now(datetime.UTC)).total_seconds()
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await run_battery(order.assignment, standpoint)
    except TimeoutError:
        log.warning("the order's time was over before its tests", order=order.id, host=host)
    except AddressSyntaxError as error:
        log.error("the order names no host", order=order.id, reason=str(error))
    except Exception as error:
        # One order must not end the work on all others. The reason may quote strangers.
        log.error("the tests broke off", order=order.id, host=host, reason=type(error).__name__)
    return None
