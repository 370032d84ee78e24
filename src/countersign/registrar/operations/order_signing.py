"""The key that orders to probes are signed with: made once, sealed in the database (DESIGN §8)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from countersign.certification.assignment import Order
from countersign.certification.signing import Purpose, public_text, sign
from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.vault.envelope import VaultError
from countersign.storage.database.once import insert_once
from countersign.storage.database.probing import SigningKey

_PURPOSE = "probe orders"
_CONTEXT = f"signing-key:{_PURPOSE}".encode()


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order as it goes to a probe."""

    text: str
    """JSON."""
    signature: str
    """Over the text's octets in UTF-8, in base 64."""


def order_key(work: Work) -> Ed25519PrivateKey:
    """Return the registrar's key, made at its first use. Raises :class:`OperationError`."""
    found = select(SigningKey).where(SigningKey.purpose == _PURPOSE)
    row = work.session.scalar(found)
    if row is None:
        _make(work)
        # Of two who make one at the same time, one does.
        row = work.session.scalars(found).one()
    try:
        return Ed25519PrivateKey.from_private_bytes(work.keyring.open(row.sealed, _CONTEXT))
    except (VaultError, ValueError) as error:
        raise OperationError(f"The key for orders to probes cannot be opened: {error}.") from None


def public_order_key(work: Work) -> str:
    """Return the public half as probes keep it: 32 octets in base 64."""
    return public_text(order_key(work).public_key())


def sign_order(work: Work, order: Order) -> SignedOrder:
    """Return an order with its signature."""
    text = order.model_dump_json()
    return SignedOrder(text, sign(order_key(work), Purpose.ORDER, text.encode()))


def _make(work: Work) -> None:
    key = Ed25519PrivateKey.generate()
    values = {
        "purpose": _PURPOSE,
        "public_key": public_text(key.public_key()),
        "sealed": work.keyring.seal(key.private_bytes_raw(), _CONTEXT),
        "made_at": work.now,
    }
    insert_once(work.session, SigningKey, values)
