"""Whether a zone is what its own digests say (RFC 8976 §4), before it is put to use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.zone.digest import (
    SHA384,
    SHAKE_SUM,
    SIMPLE,
    SUM,
    NodeSum,
    claimed_digest,
    is_same,
    simple_digest,
)

SMALL_ZONE = 250_000
"""Records up to which going through the whole zone at each transfer takes a second or two."""

Nodes = Callable[[], Iterable[tuple[bytes, bytes]]]


class Checked(StrEnum):
    """By what a zone was found whole."""

    SUM = "sum"
    """By the digest that is kept up to date."""
    SIMPLE = "simple"
    """By the standard digest over the whole."""
    LATER = "later"
    """It carries the standard digest only, and is too big to be gone through now."""
    NOTHING = "nothing"
    """It carries none."""


def check_digests(
    zone: bytes,
    apex: bytes,
    serial: int,
    node_sum: bytes,
    nodes: Nodes,
    *,
    go_through: bool,
    require: bool,
) -> Checked:
    """Check a zone; one digest that fits is enough (RFC 8976 §4).

    zone: its name in wire format. apex: its apex's node. nodes: gives all its nodes in order.
    go_through: whether they may be gone through. require: whether a zone without digest is
    refused. Raises :class:`ReplicaError`.
    """
    claimed_sum = claimed_digest(apex, serial, SUM, SHAKE_SUM)
    if claimed_sum is not None and is_same(claimed_sum, NodeSum(node_sum).digest()):
        return Checked.SUM
    claimed_simple = claimed_digest(apex, serial, SIMPLE, SHA384)
    if claimed_simple is not None and go_through:
        if is_same(claimed_simple, simple_digest(zone, nodes())):
            return Checked.SIMPLE
    elif claimed_simple is not None and claimed_sum is None:
        return Checked.LATER
    if claimed_sum is not None or claimed_simple is not None:
        raise ReplicaError(Fault.DIGEST, f"serial {serial} is not what its digest (ZONEMD) says")
    if require:
        raise ReplicaError(
            Fault.NO_DIGEST,
            f"serial {serial} carries no digest (ZONEMD) that can be checked, and "
            "require_digest is set",
        )
    return Checked.NOTHING
