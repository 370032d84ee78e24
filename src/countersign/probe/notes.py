"""How a probe fares: ``state.json``, written by the probe for `countersign probe status`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from countersign.probe.files import read_bounded

_NAME = "state.json"
_MAX_SIZE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AtWork:
    """An order that is being worked on. Times are Unix seconds."""

    order: int
    host: str
    since: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class Notes:
    """How the probe fares. Times are Unix seconds; 0: never."""

    process: int = 0
    registrar: str = ""
    asked_at: float = 0.0
    """When the registrar last answered when it was asked for orders."""
    error: str = ""
    """Why it cannot be asked now; empty: it can."""
    error_at: float = 0.0
    skew: float = 0.0
    """Seconds by which the registrar's clock is ahead."""
    at_work: tuple[AtWork, ...] = field(default=())
    undelivered: tuple[int, ...] = field(default=())
    """Orders whose results the registrar does not have yet."""
    delivered: int = 0
    """Results since the start."""


def write_notes(directory: Path, notes: Notes) -> None:
    """Replace the notes. Raises :class:`OSError`."""
    path = directory / _NAME
    draft = path.with_name(f".{_NAME}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(notes)), "utf-8")
    draft.replace(path)


def read_notes(directory: Path) -> Notes | None:
    """Return what the last probe noted; None: nothing that can be read."""
    try:
        values = json.loads(read_bounded(directory / _NAME, _MAX_SIZE) or b"")
        at_work = tuple(AtWork(**one) for one in values.pop("at_work"))
        undelivered = tuple(int(one) for one in values.pop("undelivered"))
        return Notes(**values, at_work=at_work, undelivered=undelivered)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
