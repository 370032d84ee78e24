"""Where a copy of the zone can be read: the registrar's database, servers, copies on this host.

Each becomes one state of a copy on disk, so that zones of millions of names can be compared and
printed in little memory.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from countersign.registry.copy.errors import CopyError
from countersign.registry.copy.reading import Snapshot
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.faults import Fault, ReplicaError
from countersign.registry.replica.line import Stopper
from countersign.registry.replica.settings import ReplicaSettings
from countersign.registry.replica.transfer import Order, Transfers
from countersign.registry.transfer.keys import TsigKey

if TYPE_CHECKING:
    from countersign.registrar.operations.office import Office

NAMES = """\
`database`: what the registrar's tables say now; `primary`: the copy that its primary serves;
`secondary:NAME`: a secondary of the registrar's, by zone transfer; `replica`: the copy of this
host's gateway; `ADDRESS:PORT`: any server, by zone transfer with --key-file; or a directory with
a copy."""


class SourceError(Exception):
    """A source that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Opens sources by name."""

    zone: str
    office: Office | None = None
    """The registrar's, where it is on this host."""
    replica: Path | None = None
    """The copy of this host's gateway."""
    key: TsigKey | None = None
    """For servers that are named by their address."""
    progress: Callable[[str], None] = lambda _text: None

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Snapshot]:
        """Give one state of a source. Raises :class:`SourceError`."""
        try:
            with self._open(name) as snapshot:
                yield snapshot
        except (CopyError, ReplicaError) as error:
            raise SourceError(f"{name}: {error}") from error

    def _open(self, name: str) -> contextlib.AbstractContextManager[Snapshot]:
        if name == "database":
            return self._database(self._registrar(name))
        if name == "primary":
            return self._primary(self._registrar(name))
        if name == "replica":
            if self.replica is None:
                raise SourceError("replica: name the gateway's configuration with --config")
            return _copy(self.replica)
        if name.startswith("secondary:"):
            return self._secondary(self._registrar(name), name.partition(":")[2])
        if Path(name).is_dir():
            return _copy(Path(name))
        if ":" in name:
            return self._transferred(name, self.key)
        raise SourceError(f"{name}: no such source. {NAMES}")

    def _registrar(self, name: str) -> Office:
        if self.office is None:
            raise SourceError(f"{name}: name the registrar's configuration with --registrar")
        return self.office

    @contextlib.contextmanager
    def _database(self, office: Office) -> Iterator[Snapshot]:
        from countersign.registrar.operations.secondaries import newest_serial
        from countersign.registrar.publishing.image import apex_of, image
        from countersign.registry.zone.content import apex_node
        from countersign.registry.zone.names import APEX

        self.progress("making the zone's image from the database")
        with _temporary() as copy, office.reading() as work:
            serial = newest_serial(work) or 0
            with copy.replacing() as new:
                new.put(APEX, apex_node(apex_of(office.config), serial))
                for key, node in image(work):
                    new.put(key, node)
                now = time.time()
                new.commit(
                    zone=self.zone, serial=serial, checked_at=now, loaded_at=now, source="database"
                )
            with copy.reader().snapshot() as snapshot:
                yield snapshot

    @contextlib.contextmanager
    def _primary(self, office: Office) -> Iterator[Snapshot]:
        from countersign.registrar.publishing.copies import open_zone_copy

        with (
            contextlib.closing(open_zone_copy(office, writable=False)) as copy,
            copy.reader().snapshot() as snapshot,
        ):
            yield snapshot

    @contextlib.contextmanager
    def _secondary(self, office: Office, name: str) -> Iterator[Snapshot]:
        from countersign.registrar.operations import secondaries
        from countersign.registrar.operations.secondary_keys import keys_now

        with office.reading() as work:
            found = secondaries.find(work, name)
            keys = [issued.key for issued in keys_now(work).values() if issued.name == name]
        if found is None:
            raise SourceError(f"secondary:{name}: there is none of this name")
        if not found.ask:
            raise SourceError(f"secondary:{name}: it has no address to ask; see `secondaries`")
        try:
            with self._transferred(found.ask, keys[-1] if keys else None) as snapshot:
                yield snapshot
        except ReplicaError as error:
            if error.fault not in (Fault.REFUSED, Fault.UNSIGNED):
                raise
            raise SourceError(
                f"secondary:{name}: it does not let the registrar copy the zone ({error}); let it, "
                "with its own key: countersign setup … --allow-transfer-key"
            ) from error

    @contextlib.contextmanager
    def _transferred(self, endpoint: str, key: TsigKey | None) -> Iterator[Snapshot]:
        self.progress(f"transferring the zone from {endpoint}")
        try:
            # What is wrong with it is to be seen, not refused.
            settings = ReplicaSettings.model_validate({"require_digest": False, "max_shrink": 1})
            order = Order(endpoint, whole=True, checked_at=time.time())
            with _temporary() as copy:
                Transfers(copy, self.zone, key, settings, Stopper()).take(order)
                with copy.reader().snapshot() as snapshot:
                    yield snapshot
        except ValueError as error:
            raise SourceError(f"{endpoint}: {error}") from error


@contextlib.contextmanager
def _copy(directory: Path) -> Iterator[Snapshot]:
    with ZoneCopy.open(directory, writable=False) as copy, copy.reader().snapshot() as snapshot:
        yield snapshot


@contextlib.contextmanager
def _temporary() -> Iterator[ZoneCopy]:
    with (
        tempfile.TemporaryDirectory(prefix="countersign-zone-") as directory,
        ZoneCopy.open(Path(directory), writable=True) as copy,
    ):
        yield copy
