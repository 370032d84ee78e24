"""What the public may know of one host: how it stands, since when, and why (DESIGN §7).

Applications are nobody's business: a host that was never registered is unknown, whatever has
been applied for.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from countersign.registrar.operations.office import Work
from countersign.rules.life_cycle import PUBLISHED, State
from countersign.storage.database.servers import Server, ServerEvent

_TOLD = frozenset(
    {State.ACTIVE, State.SUSPENDED, State.DEREGISTERED, State.LAPSED, State.WITHDRAWN}
)
_MOST_EVENTS = 200
_MOST_REGISTRATIONS = 20


@dataclass(frozen=True, slots=True)
class HostRecord:
    """A host that is, or was, registered."""

    server: Server
    registered_on: datetime.date
    history: Sequence[ServerEvent]
    """Changes of state since the first registration of the host, the latest first.

    Those of earlier registrations, by whomever, are among them.
    """

    @property
    def is_listed(self) -> bool:
        """Tell whether the public zone names it now."""
        return self.server.state in PUBLISHED


def look_up(work: Work, hostname: str) -> HostRecord | None:
    """Return what is public of a normalised host name; None: it was never registered."""
    registrations = work.session.scalars(
        select(Server)
        .where(
            Server.hostname == hostname, Server.active_since.is_not(None), Server.state.in_(_TOLD)
        )
        .order_by(Server.id.desc())
        .limit(_MOST_REGISTRATIONS)
    ).all()
    server = registrations[0] if registrations else None
    if server is None or server.active_since is None:
        return None
    history = work.session.scalars(
        select(ServerEvent)
        .where(
            ServerEvent.server_id.in_([one.id for one in registrations]),
            ServerEvent.to_state.in_(_TOLD),
        )
        .order_by(ServerEvent.id.desc())
        .limit(_MOST_EVENTS)
    ).all()
    return HostRecord(server, server.active_since, history)
