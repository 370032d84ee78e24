"""How a probe stands, as `countersign probe status` shows it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from countersign.probe.config import ProbeConfig
from countersign.probe.enrolment import KeyFile
from countersign.probe.notes import Notes, read_notes

SILENT_SECONDS = 120.0
"""A probe that has had no answer for so long is not well."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known."""

    registrar: str
    name: str
    id: int
    network: str
    fingerprint: str
    """Of the probe's key."""
    notes: Notes | None
    """What the probe noted last; None: it never ran."""
    is_running: bool
    now: float
    """Unix seconds."""

    @property
    def is_well(self) -> bool:
        """Whether the probe runs, and the registrar answers."""
        if self.notes is None or not self.is_running or self.notes.error:
            return False
        return self.now - self.notes.asked_at <= SILENT_SECONDS


def look_at(config: ProbeConfig, key_file: KeyFile) -> Standing:
    """Return how a probe that is enrolled stands."""
    notes = read_notes(config.state_directory)
    return Standing(
        registrar=config.registrar or key_file.registrar,
        name=key_file.name,
        id=key_file.id,
        network=key_file.network,
        fingerprint=key_file.fingerprint,
        notes=notes,
        is_running=notes is not None and _runs(notes.process),
        now=time.time(),
    )


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It is somebody else's, and there.
        return True
    return process > 0
