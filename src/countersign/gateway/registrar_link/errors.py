"""How asking the registrar fails."""

from __future__ import annotations


class RegistrarError(Exception):
    """The registrar was asked in vain; the message says why, for people."""


class RegistrarAwayError(RegistrarError):
    """It cannot be told what the registrar says: the same may succeed later."""


class NotLinkedError(RegistrarAwayError):
    """The configuration names no registrar, or no token that can be used."""


class RegistrarRefusedError(RegistrarError):
    """The registrar says no, in its own words."""

    def __init__(self, words: str, *, status: int) -> None:
        super().__init__(words)
        self.status = status
        """Of its answer (docs/API.md)."""

    @property
    def is_final(self) -> bool:
        """Whether the rules are against what was asked.

        Not if the token or the server's number may be wrong (401, 403, 404), or two changes
        met (409): then what was asked may be right, and waits.
        """
        return self.status in (400, 413, 422)
