"""Receives a zone, or what has changed in it (RFC 5936, RFC 1995): messages in, events out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import soa_serial
from countersign.registry.transfer.asking import TransferError, verified
from countersign.registry.transfer.records_in import RecordReader
from countersign.registry.transfer.tsig import Verifier
from countersign.registry.zone.names import APEX
from countersign.registry.zone.serial import is_newer

__all__ = [
    "Add",
    "End",
    "Event",
    "Remove",
    "Step",
    "TransferError",
    "TransferReader",
    "UpToDate",
    "Whole",
]

MAX_RECORDS = 500_000_000
MAX_OCTETS = 1 << 36


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole zone comes, in place of what was there. All its records follow as :class:`Add`."""

    serial: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Records that go."""

    records: list[tuple[bytes, bytes]]
    """(key, record), as :mod:`countersign.registry.zone.names` and ``.records`` have them."""


@dataclass(frozen=True, slots=True)
class Add:
    """Records that come."""

    records: list[tuple[bytes, bytes]]
    """(key, record)."""


@dataclass(frozen=True, slots=True)
class Step:
    """All removals and additions from one serial to the next are told. Its SOA among them."""

    old_serial: int
    new_serial: int


@dataclass(frozen=True, slots=True)
class UpToDate:
    """There is nothing newer than what we have. The transfer is over."""

    serial: int
    """The server's. It may be older than ours."""


@dataclass(frozen=True, slots=True)
class End:
    """The transfer is over and whole, and its last message was signed, if it is signed at all.

    Nothing may be kept for good before it.
    """

    serial: int


Event = Whole | Remove | Add | Step | UpToDate | End


class _Phase(Enum):
    START = auto()
    UNDECIDED = auto()
    WHOLE = auto()
    REMOVING = auto()
    ADDING = auto()
    DONE = auto()


class TransferReader:
    """Reads the answer to one AXFR or IXFR question over TCP, message by message."""

    def __init__(
        self,
        zone: bytes,
        kind: int,
        serial: int | None,
        *,
        message_id: int,
        verifier: Verifier,
        max_records: int = MAX_RECORDS,
        max_octets: int = MAX_OCTETS,
    ) -> None:
        """zone: in wire format, lower case; kind: AXFR or IXFR; serial: what we have, for IXFR.

        message_id, verifier: of the question (:mod:`countersign.registry.transfer.asking`).
        """
        if kind == wire.IXFR and serial is None:
            raise ValueError("IXFR needs the serial of what is there already")
        self._kind = kind
        self._ours = serial
        self._id = message_id
        self._verifier = verifier
        self._records = RecordReader(zone, kind)
        self._left_records, self._left_octets = max_records, max_octets
        self._phase = _Phase.START
        self._newest = b""
        self._from = self._to = 0

    @property
    def is_done(self) -> bool:
        """Whether the transfer is over, and whole."""
        return self._phase is _Phase.DONE

    def feed(self, message: bytes, now: float) -> list[Event]:
        """Return what a message says. After an error the reader is not to be used again.

        now: Unix seconds. Raises :class:`TransferError` and
        :class:`~countersign.registry.transfer.signature.TsigError`.
        """
        if self.is_done:
            raise TransferError("a message behind the end of the transfer")
        plain, header = verified(message, self._verifier, now, message_id=self._id)
        records, soas = self._records.read(plain, header)
        self._left_records -= len(records)
        self._left_octets -= len(message)
        if self._left_records < 0 or self._left_octets < 0:
            raise TransferError("the transfer is longer than we take")
        events: list[Event] = []
        at = 0
        for place in soas:
            if place > at:
                self._plain(records[at:place], events)
            self._soa(records[place][1], events)
            at = place + 1
        if at < len(records):
            self._plain(records[at:] if at else records, events)
        if self.is_done:
            self._verifier.finish()
        return events

    def _plain(self, records: list[tuple[bytes, bytes]], events: list[Event]) -> None:
        """Take records that are no SOA."""
        if self._phase is _Phase.UNDECIDED:
            self._begin_whole(events)
        if self._phase in (_Phase.WHOLE, _Phase.ADDING):
            events.append(Add(records))
        elif self._phase is _Phase.REMOVING:
            events.append(Remove(records))
        elif self._phase is _Phase.START:
            raise TransferError("a transfer that does not begin with a SOA record")
        else:
            raise TransferError("a record behind the end of the transfer")

    def _soa(self, soa: bytes, events: list[Event]) -> None:
        if self._phase is _Phase.START:
            self._first_soa(soa, events)
        elif self._phase is _Phase.UNDECIDED:
            self._second_soa(soa, events)
        elif self._phase is _Phase.WHOLE:
            self._end(soa, events)
        elif self._phase is _Phase.REMOVING:
            self._begin_adding(soa, events)
        elif self._phase is _Phase.ADDING:
            events.append(Step(self._from, self._to))
            if self._to == soa_serial(self._newest):
                self._end(soa, events)
            else:
                self._begin_removing(soa, events)
        else:
            raise TransferError("a record behind the end of the transfer")

    def _first_soa(self, soa: bytes, events: list[Event]) -> None:
        self._newest = soa
        serial = soa_serial(soa)
        if self._kind == wire.AXFR or self._ours is None:
            self._begin_whole(events)
        elif is_newer(serial, self._ours):
            self._to = self._ours
            self._phase = _Phase.UNDECIDED
        else:
            events.append(UpToDate(serial))
            self._phase = _Phase.DONE

    def _second_soa(self, soa: bytes, events: list[Event]) -> None:
        """Tell a step from a zone that has but a SOA record."""
        if soa == self._newest:
            self._begin_whole(events)
            self._end(soa, events)
        else:
            self._begin_removing(soa, events)

    def _begin_whole(self, events: list[Event]) -> None:
        events += [Whole(soa_serial(self._newest)), Add([(APEX, self._newest)])]
        self._phase = _Phase.WHOLE

    def _begin_removing(self, soa: bytes, events: list[Event]) -> None:
        self._from = soa_serial(soa)
        if self._from != self._to:
            raise TransferError("a step that does not begin where the one before ended")
        events.append(Remove([(APEX, soa)]))
        self._phase = _Phase.REMOVING

    def _begin_adding(self, soa: bytes, events: list[Event]) -> None:
        self._to = soa_serial(soa)
        if not is_newer(self._to, self._from):
            raise TransferError("a step that leads to no newer serial")
        events.append(Add([(APEX, soa)]))
        self._phase = _Phase.ADDING

    def _end(self, soa: bytes, events: list[Event]) -> None:
        if soa != self._newest:
            raise TransferError("the last SOA record is not the first one")
        events.append(End(soa_serial(soa)))
        self._phase = _Phase.DONE
