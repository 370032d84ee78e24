"""How a replica stands, as its copy and its puller's notes tell: for an operator."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from countersign.registry.copy.errors import CopyError, NoCopyError
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.replica.notes import State, read_state
from countersign.registry.replica.settings import ReplicaConfig


@dataclass(frozen=True, slots=True)
class Standing:
    """A copy and its puller, at one moment."""

    meta: CopyMeta | None
    """None: there is no copy of the zone."""
    state: State | None
    """None: no puller ever ran."""
    is_kept: bool
    """A puller runs now."""
    age: float
    """Seconds since a primary last confirmed the copy; negative: the clock was set back."""
    is_stale: bool

    @property
    def why_stale(self) -> str:
        """Why a copy is stale, for people to read."""
        if self.meta is None or self.meta.is_doubted:
            return "it is damaged, and is transferred anew" if self.meta else "there is none"
        if self.age < 0:
            return "it was confirmed at a time to come: look at this host's clock"
        return f"no primary has confirmed it for {timedelta(seconds=int(self.age))}"


def look_at(config: ReplicaConfig) -> Standing:
    """Return how a replica stands. Raises :class:`CopyError`."""
    meta = _meta(config)
    state = read_state(config.directory)
    is_kept = state is not None and _is_replica(state.process)
    if meta is None:
        return Standing(meta, state, is_kept, age=0.0, is_stale=True)
    now = time.time()
    begin, end = meta.current_between(config.replica.max_age_seconds)
    return Standing(meta, state, is_kept, now - meta.checked_at, not begin <= now <= end)


def _meta(config: ReplicaConfig) -> CopyMeta | None:
    try:
        with ZoneCopy.open(config.directory, writable=False) as copy:
            meta = copy.meta()
    except NoCopyError:
        return None
    if meta is not None and meta.zone != config.zone:
        raise CopyError(
            f"the copy in {config.directory} is of {meta.zone}, not of {config.zone}: the replica "
            "replaces it when it runs"
        )
    return meta


def _is_replica(process: int) -> bool:
    """Tell whether a process is a puller: its number may have gone to another program since."""
    try:
        with Path(f"/proc/{process}/cmdline").open("rb") as file:
            return b"replica" in file.read(4096)
    except FileNotFoundError:
        return False
    except OSError:
        return _lives(process)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
