"""How far each secondary and replica is, for the pages that show it (DESIGN §7)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import func, select

from countersign.registrar.operations.office import Work
from countersign.registrar.operations.secondaries import Condition
from countersign.registrar.queries.queues import Item, Queue
from countersign.registry.zone.serial import is_newer
from countersign.storage.database.publication import ZoneVersion
from countersign.storage.database.replication import Secondary, SecondaryKind, SecondaryState

TROUBLE = frozenset({Condition.BEHIND, Condition.AHEAD, Condition.ERROR})
_CIRCLE = 1 << 32
"""Serials run around it (RFC 1982)."""
_MOST_VERSIONS = 100_000
"""That are looked at for the figures of a day."""


@dataclass(frozen=True, slots=True)
class ZoneStatus:
    """What is published."""

    zone: str
    serial: int
    published_at: datetime.datetime
    records: int
    versions: int
    """In the journal."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How much a secondary lacks."""

    versions: int
    seconds: float
    """Since the first version that it lacks was published."""
    is_more: bool = False
    """It lacks more than the journal tells: both figures are what it lacks at the least."""

    def __str__(self) -> str:
        """Return it in words: '2 versions, 40 s'."""
        if not self.versions:
            return "none"
        count = f"{self.versions:,} version{'' if self.versions == 1 else 's'}"
        words = f"{count}, {duration(self.seconds)}"
        return f"at least {words}" if self.is_more else words


UP_TO_DATE = Lag(0, 0.0)


@dataclass(frozen=True, slots=True)
class SecondaryStatus:
    """A secondary, and how far it is."""

    secondary: Secondary
    state: SecondaryState | None
    """None: nothing was heard of it yet."""
    condition: Condition
    lag: Lag | None
    """None: that cannot be told, because it has no version, or one that we do not know."""

    @property
    def error(self) -> str:
        """The last thing that went wrong; empty: nothing since its last success."""
        return self.state.error if self.state is not None else ""


def duration(seconds: float) -> str:
    """Return a time in words, in the largest unit that fits: '40 s', '3 min', '5 h', '2 days'."""
    whole = max(0, int(seconds))
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        # From two on: '90 s' tells more than '1 min'.
        if whole >= 2 * size:
            return f"{whole // size:,} {unit}"
    return f"{whole} s"


def zone_status(work: Work) -> ZoneStatus | None:
    """Return what is published; None: nothing has been."""
    newest = _newest(work)
    if newest is None:
        return None
    versions = work.session.scalar(select(func.count()).select_from(ZoneVersion)) or 0
    return ZoneStatus(work.config.zone, newest.serial, newest.at, newest.records, versions)


def statuses(work: Work, *kinds: SecondaryKind) -> list[SecondaryStatus]:
    """Return all secondaries that were not removed, or those of some kinds, by name."""
    query = (
        select(Secondary, SecondaryState)
        .outerjoin(SecondaryState, SecondaryState.secondary_id == Secondary.id)
        .where(Secondary.removed_at.is_(None))
        .order_by(Secondary.name)
    )
    if kinds:
        query = query.where(Secondary.kind.in_(kinds))
    judge = _Judge(work)
    return [judge.status(secondary, state) for secondary, state in work.session.execute(query)]


def status_of(work: Work, secondary: Secondary) -> SecondaryStatus:
    """Return how far one secondary is."""
    return _Judge(work).status(secondary, work.session.get(SecondaryState, secondary.id))


@dataclass(frozen=True, slots=True)
class PublicServer:
    """What everybody may know of a public name server."""

    name: str
    place: str
    is_current: bool | None
    """Whether it has what is published; None: nothing was heard of it yet."""


def public_servers(work: Work) -> list[PublicServer]:
    """Return the public name servers, by name."""
    return [
        PublicServer(one.secondary.name, one.secondary.place, _is_current(one))
        for one in statuses(work, SecondaryKind.SECONDARY, SecondaryKind.SIGNER)
    ]


def _is_current(one: SecondaryStatus) -> bool | None:
    if one.state is None or one.state.serial is None:
        return None
    return one.lag is not None and one.lag.versions == 0


def in_trouble(work: Work) -> Queue:
    """Return the secondaries that somebody should look at."""
    found = [one for one in statuses(work) if one.condition in TROUBLE]
    items = [
        Item(
            one.secondary.name,
            one.error[:80] or one.condition,
            _since(one) or work.now,
            f"/staff/secondaries/{one.secondary.id}",
        )
        for one in found[:5]
    ]
    return Queue(len(found), items)


def _since(one: SecondaryStatus) -> datetime.datetime | None:
    return (one.state.behind_since or one.state.error_at) if one.state is not None else None


def versions_by_hour(work: Work, hours: int = 24) -> list[tuple[datetime.datetime, int]]:
    """Return how many versions were published in each of the last hours, the oldest first."""
    last = work.now.replace(minute=0, second=0, microsecond=0)
    begins = [last - datetime.timedelta(hours=back) for back in range(hours - 1, -1, -1)]
    counts = dict.fromkeys(begins, 0)
    moments = work.session.scalars(
        select(ZoneVersion.at)
        .order_by(ZoneVersion.id.desc())
        .limit(_MOST_VERSIONS)
        .execution_options(yield_per=1000)
    )
    for at in moments:
        if at < begins[0]:
            break
        hour = at.replace(minute=0, second=0, microsecond=0)
        counts[hour] = counts.get(hour, 0) + 1
    return [(hour, counts[hour]) for hour in begins]


@dataclass(frozen=True, slots=True)
class _Newest:
    serial: int
    at: datetime.datetime
    records: int


def _newest(work: Work) -> _Newest | None:
    columns = (ZoneVersion.serial, ZoneVersion.at, ZoneVersion.records)
    row = work.session.execute(
        select(*columns).order_by(ZoneVersion.id.desc()).limit(1)
    ).one_or_none()
    return None if row is None else _Newest(row.serial, row.at, row.records)


class _Judge:
    """Compares secondaries with the journal; those with the same serial cost one look."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._newest = _newest(work)
        self._lags: dict[int, Lag] = {}

    def status(self, secondary: Secondary, state: SecondaryState | None) -> SecondaryStatus:
        serial = state.serial if state is not None else None
        if serial is None or state is None:
            has_failed = state is not None and state.error
            condition = Condition.ERROR if has_failed else Condition.NEVER_SEEN
            return SecondaryStatus(secondary, state, condition, None)
        if self._newest is None or is_newer(serial, self._newest.serial):
            return SecondaryStatus(secondary, state, Condition.AHEAD, None)
        lag = self._lag(serial, self._newest.serial)
        return SecondaryStatus(secondary, state, self._condition(lag, state), lag)

    def _condition(self, lag: Lag, state: SecondaryState) -> Condition:
        if lag.versions and lag.seconds > self._work.config.primary.behind_seconds:
            return Condition.BEHIND
        if state.error:
            return Condition.ERROR
        return Condition.CATCHING_UP if lag.versions else Condition.UP_TO_DATE

    def _lag(self, serial: int, newest: int) -> Lag:
        if serial == newest:
            return UP_TO_DATE
        if serial not in self._lags:
            self._lags[serial] = self._look(serial)
        return self._lags[serial]

    def _look(self, serial: int) -> Lag:
        session = self._work.session
        distance = (ZoneVersion.serial - serial + _CIRCLE) % _CIRCLE
        lacking = distance.between(1, _CIRCLE // 2 - 1)
        count, first = session.execute(
            select(func.count(), func.min(ZoneVersion.id)).where(lacking)
        ).one()
        # Half a circle away no serial is later than the other: then it lacks all there is.
        whole, oldest = session.execute(select(func.count(), func.min(ZoneVersion.id))).one()
        begun = session.scalar(
            select(ZoneVersion.at).where(ZoneVersion.id == (first if count else oldest))
        )
        seconds = (self._work.now - begun).total_seconds() if begun is not None else 0.0
        return Lag(count or whole, max(0.0, seconds), not count or first == oldest)
