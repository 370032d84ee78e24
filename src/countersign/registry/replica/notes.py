"""What a replica's puller and its operator tell each other through files beside the copy.

The puller writes ``state.json``, for `countersign replica status`. An operator's word is a file
too: it reaches a puller that runs, waits for one that does not, and is taken once.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_STATE = "state.json"
_MAX_SIZE = 64 * 1024
RESET, ACCEPT_SHRINK = "reset", "accept-shrink"


@dataclass(frozen=True, slots=True)
class Shrink:
    """A transfer that was refused because too many records would have gone."""

    serial: int
    before: int
    """Records that the zone had within the last day."""
    after: int
    """Records in the zone as it was transferred."""


@dataclass(frozen=True, slots=True)
class State:
    """How a puller fares. Times are Unix seconds; 0: never."""

    primary: str = ""
    """The one that served last."""
    primaries: dict[str, str] = field(default_factory=dict)
    """What each has said last: its serial, or what was wrong."""
    transfer: str = ""
    """What is being transferred now."""
    transfer_since: float = 0.0
    error: str = ""
    """What is wrong now; empty: nothing."""
    error_at: float = 0.0
    last_error: str = ""
    """The last thing that was wrong, now or earlier."""
    last_error_at: float = 0.0
    shrink: Shrink | None = None
    """Refused, and waiting for an operator's word."""
    behind_since: float = 0.0
    """Since when all primaries answer with older serials than the copy's."""
    lag: float = 0.0
    """Seconds from seeing the copy's serial first to having it."""
    process: int = 0
    """The puller's process number."""


def write_state(directory: Path, state: State) -> None:
    """Replace the puller's state. Raises :class:`OSError`."""
    path = directory / _STATE
    draft = path.with_name(f".{_STATE}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(state)), "utf-8")
    draft.replace(path)


def read_state(directory: Path) -> State | None:
    """Return what the last puller said; None: nothing that can be read."""
    found = _read(directory / _STATE)
    try:
        shrink = found.pop("shrink")
        return State(**found, shrink=Shrink(**shrink) if shrink else None)
    except (KeyError, TypeError):
        return None


def give_word(directory: Path, word: str, facts: Mapping[str, Any]) -> None:
    """Leave an operator's word. Raises :class:`OSError`."""
    path = directory / word
    draft = path.with_name(f".{word}.{os.getpid()}")
    draft.write_text(json.dumps(dict(facts)), "utf-8")
    draft.chmod(0o644)
    draft.replace(path)


def word_of(directory: Path, word: str) -> dict[str, Any] | None:
    """Return the facts of a word that was given; None: it was not."""
    return _read(directory / word) if (directory / word).exists() else None


def drop_word(directory: Path, word: str) -> None:
    """Forget a word that was acted on. Raises :class:`OSError`."""
    (directory / word).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        with path.open("rb") as file:
            found = json.loads(file.read(_MAX_SIZE))
        if isinstance(found, dict):
            return found
    return {}
