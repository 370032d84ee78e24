"""Opens the shared tables that the configuration names."""

from __future__ import annotations

from pathlib import Path

from countersign.storage.local import LocalTables
from countersign.storage.tables import Tables
from countersign.storage.valkey import ValkeyTables


def open_tables(url: str, state_directory: Path) -> Tables:
    """Return the tables at a redis:// URL, or the host's own if ``url`` is empty.

    Raises :class:`~countersign.storage.tables.TablesUnavailableError`.
    """
    return ValkeyTables(url) if url else LocalTables(state_directory)
