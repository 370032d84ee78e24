"""What probes and the registrar say to each other by HTTP: the shapes of the bodies. Pure.

Paths, all POST: :data:`ENROLMENTS`, :data:`ORDERS`, :func:`result_path`. The last two are signed
by the probe, see `authorization`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from countersign.certification.assignment import Order

ENROLMENTS = "/api/v1/probe/enrolments"
ORDERS = "/api/v1/probe/orders"
LONGEST_WAIT = 25
"""Seconds for which the registrar keeps a probe waiting for an order."""
MAX_RESULT = 8 * 1024 * 1024
"""Octets of a result."""

_NO_NUL = r"^[^\u0000]*$"
_Version = Annotated[str, Field(max_length=64, pattern=_NO_NUL)]
_PublicKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]


def result_path(order: int) -> str:
    """Return the path to which the result of an order is posted."""
    return f"{ORDERS}/{order}/result"


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Enrolment(_Said):
    """A probe makes itself known."""

    token: Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
    """One-time token that staff gave out."""
    public_key: _PublicKey
    """Ed25519 key by which its requests will be known: 32 octets in base 64."""
    network: Annotated[str, Field(max_length=64, pattern=_NO_NUL)]
    """Range that it stands in, CIDR notation."""
    as_number: Annotated[int | None, Field(ge=1, lt=2**32)] = None
    """Autonomous system that it stands in."""
    version: _Version = ""
    """Of its program."""


class Enrolled(_Said):
    """What a new probe is told."""

    id: int
    """Its number."""
    name: str
    order_key: _PublicKey
    """Ed25519 key by which the registrar's orders are known: 32 octets in base 64."""


class OrdersWanted(_Said):
    """A probe asks for work."""

    version: _Version = ""
    """Of its program."""
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT, allow_inf_nan=False)] = 0
    """Seconds that it would wait for an order."""
    held: Annotated[tuple[Annotated[int, Field(ge=1, lt=2**53)], ...], Field(max_length=2000)] = ()
    """Orders that it has, results that are not delivered included: others that were sent to it \
got lost on the way, and are sent again."""


class SignedOrder(_Said):
    """An order as it is sent."""

    order: Annotated[str, Field(max_length=200_000)]
    """The order as JSON text, which is what was signed."""
    signature: Annotated[str, Field(max_length=100)]
    """The registrar's, in base 64."""


def order_text(order: Order) -> str:
    """Return an order as it is signed."""
    return order.model_dump_json()
