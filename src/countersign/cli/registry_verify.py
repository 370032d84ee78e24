"""Whether all copies of the zone agree, and each with its own digests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countersign.cli.registry_sources import SourceError, Sources
from countersign.registry.comparison import content_of, differences
from countersign.registry.copy.check import check_snapshot
from countersign.registry.copy.reading import Snapshot


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one copy."""

    name: str
    serial: int | None = None
    records: int | None = None
    digest: str = ""
    """Which of its digests are right."""
    compared: str = ""
    """How it differs from the first copy."""
    trouble: str = ""
    is_good: bool = False


def verify_all(
    sources: Sources, names: Sequence[str], *, progress: Callable[[str], None]
) -> list[Finding]:
    """Compare each copy with the first one that can be read; check their digests.

    progress: told what is being done.
    """
    if not names:
        return [Finding("nothing", trouble="no source: name one, or a configuration")]
    found: list[Finding] = []
    first: Snapshot | None = None
    with contextlib.ExitStack() as kept:
        for name in names:
            progress(f"Reading {name} …")
            try:
                if first is None:
                    first = kept.enter_context(sources.open(name))
                    found.append(_first(name, first))
                    continue
                with sources.open(name) as snapshot:
                    found.append(_compared(name, snapshot, first))
            except SourceError as error:
                found.append(Finding(name, trouble=str(error)))
    return found


def _first(name: str, snapshot: Snapshot) -> Finding:
    digest, is_right = _digests(snapshot)
    # The database's image carries none: they are made when it is published.
    is_good = is_right or name == "database"
    return Finding(name, snapshot.meta.serial, snapshot.meta.records, digest, "", "", is_good)


def _compared(name: str, snapshot: Snapshot, first: Snapshot) -> Finding:
    digest, is_right = _digests(snapshot)
    count = sum(1 for _ in differences(content_of(first.nodes()), content_of(snapshot.nodes())))
    compared = f"{count:,} names differ" if count else "the same"
    meta = snapshot.meta
    return Finding(name, meta.serial, meta.records, digest, compared, "", is_right and not count)


def _digests(snapshot: Snapshot) -> tuple[str, bool]:
    """Return in words which digests are right, and whether one is and none is wrong."""
    check = check_snapshot(snapshot)
    words = [f"{name} {'right' if good else 'WRONG'}" for name, good in check.digests.items()]
    is_right = not check.faults and bool(check.digests) and all(check.digests.values())
    return ", ".join([*words, *check.faults]) or "none", is_right
