"""Who may ask, and who is to be told: secondaries with their keys, as the database has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select

from countersign.registrar.operations.office import Work
from countersign.registrar.operations.secondary_keys import IssuedKey, keys_now
from countersign.registry.transfer.keys import TsigKey
from countersign.storage.database.replication import Secondary, SecondaryKey, SecondaryKind


@dataclass(frozen=True, slots=True)
class Peer:
    """A secondary or replica."""

    id: int
    name: str
    notify: tuple[str, ...]
    """ADDRESS:PORT each."""
    ask: str
    """ADDRESS:PORT, or empty."""
    keys: tuple[TsigKey, ...]
    """Those that are good, the newest first."""
    signs: bool = False
    """It signs the zone on the way: it gets no digest of ours."""


@dataclass(frozen=True, slots=True)
class Known:
    """All secondaries at one moment."""

    keys: Mapping[str, IssuedKey] = field(default_factory=dict)
    """By the key's name."""
    peers: Mapping[int, Peer] = field(default_factory=dict)
    """By the secondary's id."""
    mark: tuple[Any, ...] = ()
    """Changes when anything of this does."""

    def key(self, name: str) -> TsigKey | None:
        """Return the good key of a name."""
        issued = self.keys.get(name)
        return None if issued is None else issued.key

    def owner(self, key: TsigKey) -> Peer | None:
        """Return whose key it is; None: nobody's any more."""
        issued = self.keys.get(key.name)
        return None if issued is None else self.peers.get(issued.secondary_id)


def load_known(work: Work, before: Known) -> Known:
    """Return what is known now: the same object where nothing has changed.

    So keys are unsealed only when there are others.
    """
    secondaries = work.session.execute(
        select(Secondary.id, Secondary.name, Secondary.notify, Secondary.ask, Secondary.kind)
        .where(Secondary.removed_at.is_(None))
        .order_by(Secondary.id)
    ).all()
    good = work.session.scalars(
        select(SecondaryKey.id)
        .where(
            SecondaryKey.revoked_at.is_(None),
            or_(SecondaryKey.ends_at.is_(None), SecondaryKey.ends_at > work.now),
        )
        .order_by(SecondaryKey.id)
    ).all()
    mark = (tuple((*row[:2], tuple(row[2]), *row[3:]) for row in secondaries), tuple(good))
    if mark == before.mark:
        return before
    keys = keys_now(work)
    own: dict[int, list[TsigKey]] = {}
    for issued in keys.values():
        own.setdefault(issued.secondary_id, []).insert(0, issued.key)
    peers = {
        row.id: Peer(
            row.id,
            row.name,
            tuple(row.notify),
            row.ask,
            tuple(own.get(row.id, ())),
            signs=row.kind is SecondaryKind.SIGNER,
        )
        for row in secondaries
    }
    return Known(keys, peers, mark)
