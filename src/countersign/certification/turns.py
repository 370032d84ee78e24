"""Sessions in which envelopes are tried: some on each connection, and not for ever."""

from __future__ import annotations

from countersign.certification.said import Said, Trouble
from countersign.certification.session import Caller, Session

TURNS_ON_A_CONNECTION = 8
"""Servers slow down or hang up after some errors on one connection: Postfix after ten."""
_MAX_FAILURES = 3
"""Calls that may fail, or commands that may be met with silence, in a row."""


class Turns:
    """One connection after the other, each for some envelopes."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._session: Session | None = None
        self._is_in_tls = False
        self._taken = 0
        self._failures = 0

    @property
    def is_hopeless(self) -> bool:
        """Tell whether the server is better left alone."""
        return self._failures >= _MAX_FAILURES

    @property
    def is_first(self) -> bool:
        """Tell whether the last turn was the first one on its connection."""
        return self._taken == 1

    async def take(self, *, in_tls: bool, source: str = "") -> Session | Said:
        """Return a session for one envelope, a new one if need be; or why there is none.

        source: local address that it must come from; empty: any.
        """
        session = self._session
        if session is not None:
            is_fit = session.is_usable and self._is_in_tls == in_tls
            is_fit = is_fit and source in ("", session.source)
            if is_fit and self._taken < TURNS_ON_A_CONNECTION:
                self._taken += 1
                return session
            await self.finish()
        made = await self._caller.call_and_greet(in_tls=in_tls, source=source)
        if isinstance(made, Session):
            self._session, self._is_in_tls, self._taken = made, in_tls, 1
        else:
            self._failures += 1
        return made

    def give_back(self) -> None:
        """Note that the last turn was not made use of."""
        self._taken -= 1

    def ended(self, said: Said) -> None:
        """Note how a turn ended: of silence, only so much in a row is borne."""
        self._failures = self._failures + 1 if said is Trouble.TIMED_OUT else 0

    async def finish(self) -> None:
        """Take leave."""
        if self._session is not None:
            await self._session.finish()
            self._session = None

    def drop(self) -> None:
        """Close at once."""
        if self._session is not None:
            self._session.drop()
            self._session = None
