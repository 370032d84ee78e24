"""End registrations that lapsed long ago: their host names are free again (DESIGN §6)."""

from __future__ import annotations

import datetime

from countersign.registrar.operations.offers import try_activate
from countersign.registrar.operations.office import SYSTEM, Office, Work
from countersign.registrar.operations.one_by_one import Tally, each_server
from countersign.registrar.operations.transitions import move
from countersign.rules.life_cycle import Action, State
from countersign.storage.database.servers import Server


def end_lapsed(office: Office) -> Tally:
    """Withdraw servers that have been lapsed for too long, and set aside what is held for them.

    Those of which something is being decided wait for the decision. For every day; may be
    repeated.
    """
    longest = datetime.timedelta(days=office.config.money.lapsed_days)
    long_ago = Server.state_since < office.clock() - longest
    conditions = (Server.state == State.LAPSED, long_ago)
    return each_server(office, conditions, Server.state_since, _end)


def _end(work: Work, server: Server) -> bool:
    if try_activate(work, server):
        return False
    move(
        work,
        server,
        Action.LAPSE,
        SYSTEM,
        reason=f"The registration lapsed on {server.state_since:%Y-%m-%d} and was not renewed.",
    )
    return True
