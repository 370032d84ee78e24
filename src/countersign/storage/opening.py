"""Opens the shared tables that the configuration names."""

from __future__ import annotations

from pathlib import Path

from countersign.storage.local import LocalTables
from countersign.storage.tables import Tables


def open_tables(url: str, state_directory: Path) -> Tables:
    """Return the tables at a redis:// URL, or the host's own if ``url`` is empty.

    Raises :class:`~countersign.storage.tables.TablesUnavailableError`.
    """
    if not url:
        return LocalTables(state_directory)
    # Imported here: the client library is slow to load, and few need it.
    from countersign.storage.valkey import ValkeyTables

    return ValkeyTables(url)
