"""The zone as this primary has it: its copy on the disk, and the SOA record at hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from countersign.registrar.primary.journal import soa_of
from countersign.registry.copy.errors import CopyError
from countersign.registry.copy.reading import CopyReader, Snapshot
from countersign.registry.transfer.answers import soa_serial
from countersign.registry.zone.names import APEX, zone_wire


class NoZoneError(Exception):
    """There is nothing to serve yet."""


@dataclass(frozen=True, slots=True)
class Served:
    """A version of the zone that can be transferred from here."""

    serial: int
    soa: bytes
    """The record."""
    records: int


@dataclass(frozen=True, slots=True)
class View:
    """One version, whole."""

    served: Served
    snapshot: Snapshot


class Zone:
    """The zone of one name."""

    def __init__(self, name: str, reader: CopyReader | None = None) -> None:
        self.name = zone_wire(name)
        """In wire format."""
        self.current: Served | None = None
        """What is served; None: nothing yet."""
        self._reader = reader

    def open(self, reader: CopyReader) -> None:
        """Serve from a copy."""
        self._reader = reader

    def look(self) -> Served | None:
        """Look at what the copy has, and serve it. Raises :class:`CopyError`."""
        with contextlib.suppress(NoZoneError), self.view():
            pass
        return self.current

    @contextlib.contextmanager
    def view(self) -> Iterator[View]:
        """Give the version that is there, for as long as the block lasts.

        Raises :class:`NoZoneError` and :class:`CopyError`.
        """
        if self._reader is None or self._reader.meta() is None:
            raise NoZoneError
        with self._reader.snapshot() as snapshot:
            soa = soa_of(snapshot.get(APEX))
            if soa is None or soa_serial(soa) != snapshot.meta.serial:
                raise CopyError("the copy of the zone has not the SOA record of its version")
            if self.current is None or self.current.serial != snapshot.meta.serial:
                self.current = Served(snapshot.meta.serial, soa, snapshot.meta.records)
            yield View(self.current, snapshot)
