"""Ends sponsors' undertakings whose time is over, day by day (DESIGN §6)."""

from __future__ import annotations

import datetime

from dateutil.relativedelta import relativedelta
from sqlalchemy import or_, select

from countersign.registrar.operations.offers import try_activate
from countersign.registrar.operations.office import Office, Work
from countersign.registrar.operations.one_by_one import Tally, each_server
from countersign.registrar.operations.trust import vouchings
from countersign.rules.life_cycle import State
from countersign.storage.database.promises import Sponsorship, SponsorshipState
from countersign.storage.database.servers import Server


def end_undertakings(office: Office) -> Tally:
    """End the undertakings whose time is over, and ask for the bond where they are missed.

    For every day; may be repeated.
    """
    money = office.config.money
    now = office.clock()
    of_age = now.date() - relativedelta(months=money.young_domain_months)
    given_by = now - datetime.timedelta(days=money.notice_days)
    standing = select(Sponsorship.server_id).where(Sponsorship.state == SponsorshipState.ACCEPTED)
    conditions = (
        Server.id.in_(standing),
        Server.state.in_((State.ACTIVE, State.SUSPENDED, State.LAPSED)),
        or_(
            Server.domain_registered_on <= of_age,
            Server.active_since <= of_age,
            Server.id.in_(standing.where(Sponsorship.notice_at <= given_by)),
        ),
    )
    return each_server(office, conditions, Server.id, _end)


def _end(work: Work, server: Server) -> bool:
    before = len(vouchings(work, server))
    try_activate(work, server)
    return len(vouchings(work, server)) < before
