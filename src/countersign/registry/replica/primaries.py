"""Which primary is asked next. Pure: the caller gives the time (seconds of any steady clock)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class BackOff:
    """A wait that grows with each failure in a row."""

    first: float
    longest: float
    failures: int = 0
    until: float = 0.0

    def failed(self, now: float) -> None:
        """Count a failure."""
        self.failures += 1
        self.until = now + min(self.longest, self.first * 2.0 ** min(self.failures - 1, 60))

    def succeeded(self) -> None:
        """Forget all failures."""
        self.failures, self.until = 0, 0.0

    def is_over(self, now: float) -> bool:
        """Tell whether it may be tried (again)."""
        return now >= self.until


@dataclass(slots=True, eq=False)
class Primary:
    """One name server that has the zone."""

    endpoint: str
    """ADDRESS:PORT or [IPV6]:PORT."""
    asking: BackOff
    """After questions, or connections, that failed."""
    connecting: BackOff
    """After transfers that broke off."""
    taking: BackOff
    """After transfers whose content was refused."""

    def is_due(self, now: float) -> bool:
        """Tell whether it may be asked."""
        return self.asking.is_over(now)

    def may_transfer(self, now: float) -> bool:
        """Tell whether a transfer from it may be tried."""
        return self.connecting.is_over(now) and self.taking.is_over(now)

    def transferred(self) -> None:
        """Forget all failures of transfers."""
        self.connecting.succeeded()
        self.taking.succeeded()


@dataclass(slots=True)
class Waits:
    """How long failures are waited out, in seconds: the first time, and at most."""

    retry: float
    retry_max: float
    refused: float
    refused_max: float


@dataclass(slots=True)
class Primaries:
    """All primaries, in the operator's order, with memory of the one that served last."""

    all: list[Primary]
    survey_seconds: float
    _good: int = 0
    _surveyed_at: float = field(default=float("-inf"))

    @classmethod
    def of(cls, endpoints: Sequence[str], waits: Waits, survey_seconds: float) -> Primaries:
        """Begin with nothing known of any."""
        found = [
            Primary(
                endpoint,
                BackOff(waits.retry, waits.retry_max),
                BackOff(waits.retry, waits.retry_max),
                BackOff(waits.refused, waits.refused_max),
            )
            for endpoint in endpoints
        ]
        return cls(found, survey_seconds)

    @property
    def good(self) -> Primary:
        """The one that served last; at first the operator's first."""
        return self.all[self._good]

    def remember(self, primary: Primary) -> None:
        """Note that a primary serves well."""
        self._good = self.all.index(primary)

    def in_order(self, now: float) -> list[Primary]:
        """Return those that may be asked: the good one first, then the others in turn."""
        turned = self.all[self._good :] + self.all[: self._good]
        return [primary for primary in turned if primary.is_due(now)]

    def survey_is_due(self, now: float) -> bool:
        """Tell, once each survey's interval, that all are to be asked.

        A secondary that has lost its own primary goes on answering with an old serial, and
        nothing but another one's answer tells.
        """
        if len(self.all) < 2 or now - self._surveyed_at < self.survey_seconds:
            return False
        self._surveyed_at = now
        return True

    def next_due(self, now: float) -> float:
        """Return the seconds until some primary may be asked; 0: at once."""
        return max(0.0, min(primary.asking.until for primary in self.all) - now)
