"""The registrar's own copy of the zone: a cache beside the database, which may be deleted."""

from __future__ import annotations

from pathlib import Path

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations.office import Office
from countersign.registrar.state import state_directory
from countersign.registry.copy.store import ZoneCopy

SOURCE = "the registrar's database"


def zone_directory(config: RegistrarConfig) -> Path:
    """Return the directory of the copy."""
    return config.primary.copy_directory or state_directory(config) / "zone"


def open_zone_copy(office: Office, *, writable: bool = True) -> ZoneCopy:
    """Open the copy; close it after use. All processes of this host share it.

    Raises :class:`~countersign.registry.copy.errors.CopyError`.
    """
    return ZoneCopy.open(zone_directory(office.config), writable=writable)
