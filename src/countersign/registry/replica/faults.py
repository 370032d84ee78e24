"""Why a primary's answer or transfer was not taken. The kind is a label of the metrics."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What went wrong."""

    UNREACHABLE = "unreachable"
    """No connection, or it broke."""
    TOO_SLOW = "too-slow"
    REFUSED = "refused"
    """The primary answered with an error: it knows no such zone, or we may not have it."""
    UNSIGNED = "unsigned"
    """Without our key's signature, or with a wrong one, or out of time (RFC 8945 §5.2)."""
    MALFORMED = "malformed"
    TOO_BIG = "too-big"
    DIVERGED = "diverged"
    """Changes that do not fit the copy."""
    DIGEST = "digest"
    """The zone is not what its own digest says (RFC 8976)."""
    NO_DIGEST = "no-digest"
    OLDER = "older"
    """An older zone than the copy, or none that is newer though the primary said so."""
    SHRUNK = "shrunk"
    """Too many records would go."""
    LOCAL = "local"
    """The copy cannot be written."""
    STOPPED = "stopped"
    """We were told to stop."""


_OF_THE_LINE = frozenset(
    {Fault.UNREACHABLE, Fault.TOO_SLOW, Fault.OLDER, Fault.LOCAL, Fault.STOPPED}
)


class ReplicaError(Exception):
    """An answer or a transfer that was not taken; the copy is as it was."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault

    @property
    def is_of_content(self) -> bool:
        """Tell whether the primary sent what must not be taken, not merely broke off."""
        return self.fault not in _OF_THE_LINE


class LostCopyError(ReplicaError):
    """The copy's files are gone or damaged: the process ends, and the next one begins anew."""

    def __init__(self, text: str) -> None:
        super().__init__(Fault.LOCAL, text)


class ShrunkError(ReplicaError):
    """A transfer was refused because the zone has lost too many records."""

    def __init__(self, serial: int, before: int, after: int) -> None:
        super().__init__(
            Fault.SHRUNK,
            f"serial {serial} would leave {after} records of the {before} that the zone had within "
            "the last day; if that is right, say so: countersign replica accept-shrink",
        )
        self.serial, self.before, self.after = serial, before, after
