"""Opens what submission counts, where the configuration says."""

from __future__ import annotations

from pathlib import Path

from countersign.storage.submission.tables import SubmissionTables


def open_submission_tables(url: str, directory: Path) -> SubmissionTables:
    """Return the counts at a redis:// URL, or this host's own in ``directory`` if it is empty.

    Raises :class:`~countersign.storage.tables.TablesUnavailableError`.
    """
    # Imported where it is needed: a worker has one of them.
    if url:
        from countersign.storage.submission.valkey import ValkeySubmissionTables

        return ValkeySubmissionTables(url)
    from countersign.storage.submission.local import LocalSubmissionTables

    return LocalSubmissionTables(directory)
