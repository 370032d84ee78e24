"""One transfer from a primary into the copy: taken whole, or not at all. Blocking, for a thread."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from countersign.registry.copy.changing import Changing
from countersign.registry.copy.errors import (
    CopyError,
    CopyFullError,
    DamagedCopyError,
    DeletedCopyError,
)
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.replacing import Replacing
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.asking import as_replica_error
from countersign.registry.replica.digests import SMALL_ZONE, Checked, Nodes, check_digests
from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.replica.line import Bounds, Line, Stopper
from countersign.registry.replica.settings import ReplicaSettings
from countersign.registry.replica.shrinking import check_shrinking, peak_after
from countersign.registry.transfer import wire
from countersign.registry.transfer.asking import TransferError, make_question
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.receiving import (
    Add,
    End,
    Event,
    Remove,
    TransferReader,
    UpToDate,
    Whole,
)
from countersign.registry.transfer.signature import TsigError
from countersign.registry.zone.names import APEX, zone_wire
from countersign.registry.zone.records import SOA, RecordError, kind_of, split_node
from countersign.registry.zone.serial import lag


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be transferred."""

    endpoint: str
    """The primary."""
    whole: bool
    """The whole zone, whatever is here."""
    checked_at: float
    """Since when the primary is known to have it: Unix seconds."""
    may_shrink_to: int | None = None
    """Records that an operator has said may be left."""
    any_serial: bool = False
    """An operator has said that the zone is to be taken though it is older than the copy."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A transfer that was put in place."""

    kind: str
    """``ixfr`` or ``axfr``: what it was, not what was asked for."""
    meta: CopyMeta
    changes: int
    """Records that came or went."""
    checked: Checked


class Transfers:
    """Transfers one zone into one copy."""

    def __init__(
        self,
        copy: ZoneCopy,
        zone: str,
        key: TsigKey | None,
        settings: ReplicaSettings,
        stopper: Stopper,
    ) -> None:
        self._copy = copy
        self._zone = zone
        self._wire = zone_wire(zone)
        self._key = key
        self._settings = settings
        self._stopper = stopper

    def take(self, order: Order) -> Taken:
        """Transfer. Raises :class:`ReplicaError`, and :class:`CopyError` of the copy here."""
        meta = self._meta()
        serial = None if order.whole or meta is None else meta.serial
        with contextlib.closing(self._events(order.endpoint, serial)) as events:
            first = next(events)
            if isinstance(first, Remove):
                return self._take_changes(order, events, first)
            if isinstance(first, UpToDate | Whole):
                _check_serial(first, meta, order)
            return self._take_whole(order, events, meta)

    def _meta(self) -> CopyMeta | None:
        meta = self._copy.meta()
        return meta if meta is not None and meta.zone == self._zone else None

    # -- what comes --------------------------------------------------------------------------

    def _events(self, endpoint: str, serial: int | None) -> Generator[Event, None, None]:
        """Give the events of a transfer, each proven as far as the protocol goes."""
        settings = self._settings
        kind = wire.AXFR if serial is None else wire.IXFR
        id_ = secrets.randbits(16)
        question, verifier = make_question(
            kind, self._wire, serial, self._key, message_id=id_, now=time.time()
        )
        reader = TransferReader(
            self._wire,
            kind,
            serial,
            message_id=id_,
            verifier=verifier,
            # Changes may be more than the zone; what is left of it is counted below.
            max_records=2 * settings.max_records + 65_536,
            max_octets=settings.max_octets,
        )
        bounds = Bounds.of(settings)
        with Line(endpoint, settings.source_address, bounds, self._stopper) as line:
            line.send(question)
            messages = line.messages()
            while not reader.is_done:
                try:
                    events = reader.feed(next(messages), time.time())
                except (TransferError, TsigError) as error:
                    raise as_replica_error(error) from error
                yield from events

    # -- what becomes of it ------------------------------------------------------------------

    def _take_changes(self, order: Order, events: Iterator[Event], first: Remove) -> Taken:
        count = len(first.records)
        try:
            with self._copy.changing() as change:
                for key, record in first.records:
                    change.remove(key, record)
                serial = None
                for event in events:
                    if isinstance(event, Add):
                        for key, record in event.records:
                            change.add(key, record)
                        count += len(event.records)
                    elif isinstance(event, Remove):
                        for key, record in event.records:
                            change.remove(key, record)
                        count += len(event.records)
                    elif isinstance(event, End):
                        serial = event.serial
                before = change.meta
                checked = self._check(change, _ended(serial), before, order, is_whole=False)
                meta = change.commit(
                    serial=_ended(serial),
                    checked_at=order.checked_at,
                    loaded_at=time.time(),
                    source=order.endpoint,
                    peak=peak_after(before, change.records, accepted=order.may_shrink_to),
                )
        except (CopyFullError, DamagedCopyError, DeletedCopyError):
            raise
        except (CopyError, RecordError) as error:
            # What cannot be changed can be replaced.
            raise ReplicaError(Fault.DIVERGED, f"the changes do not fit: {error}") from error
        return Taken("ixfr", meta, count, checked)

    def _take_whole(self, order: Order, events: Iterator[Event], before: CopyMeta | None) -> Taken:
        try:
            with self._copy.replacing() as new:
                serial, left = None, self._settings.max_records
                for event in events:
                    if isinstance(event, Add):
                        left -= len(event.records)
                        if left < 0:
                            raise ReplicaError(Fault.TOO_BIG, "more records than max_records")
                        for key, record in event.records:
                            new.add(key, record)
                    elif isinstance(event, End):
                        serial = event.serial
                checked = self._check(new, _ended(serial), before, order, is_whole=True)
                meta = new.commit(
                    zone=self._zone,
                    serial=_ended(serial),
                    checked_at=order.checked_at,
                    loaded_at=time.time(),
                    source=order.endpoint,
                    peak=peak_after(before, new.records, accepted=order.may_shrink_to),
                )
        except RecordError as error:
            raise ReplicaError(Fault.MALFORMED, str(error)) from error
        return Taken("axfr", meta, meta.records, checked)

    def _check(
        self,
        made: Changing | Replacing,
        serial: int,
        before: CopyMeta | None,
        order: Order,
        *,
        is_whole: bool,
    ) -> Checked:
        """Check what is to be put in place. Raises :class:`ReplicaError`."""
        apex, records = made.get(APEX), made.records
        soas = [one for one in split_node(apex) if kind_of(one) == SOA]
        if len(soas) != 1 or int.from_bytes(soas[0][-20:-16], "big") != serial:
            raise ReplicaError(Fault.MALFORMED, f"no single SOA record with serial {serial}")
        if records > self._settings.max_records:
            raise ReplicaError(Fault.TOO_BIG, "more records than max_records")
        check_shrinking(
            serial, before, records, accepted=order.may_shrink_to, share=self._settings.max_shrink
        )
        return check_digests(
            self._wire,
            apex,
            serial,
            made.node_sum,
            _nodes_of(made),
            go_through=is_whole or records <= SMALL_ZONE,
            require=self._settings.require_digest,
        )


def _check_serial(first: UpToDate | Whole, before: CopyMeta | None, order: Order) -> None:
    """Refuse what is no newer zone. Between question and transfer another server may answer."""
    if isinstance(first, UpToDate):
        raise ReplicaError(
            Fault.OLDER, f"the primary spoke of a newer serial, and has {first.serial}"
        )
    if before is not None and not order.any_serial and lag(before.serial, first.serial) < 0:
        raise ReplicaError(
            Fault.OLDER,
            f"the primary sent serial {first.serial}, which is older than the copy's",
        )


def _nodes_of(made: Changing | Replacing) -> Nodes:
    if isinstance(made, Replacing):
        replacing = made

        def nodes() -> Iterator[tuple[bytes, bytes]]:
            with replacing.snapshot() as snapshot:
                yield from snapshot.nodes()

        return nodes
    return made.snapshot().nodes


def _ended(serial: int | None) -> int:
    if serial is None:
        # The reader raises where a transfer breaks off, so that it never ends without End.
        raise AssertionError("a transfer without end")
    return serial
