"""What an owner says of a suspension's remedy; an adjudicator looks, and decides (DESIGN §9)."""

from __future__ import annotations

import datetime

from countersign.registrar.operations.access import require
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.histories import history
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import Actor, OperationError, Work
from countersign.registrar.operations.sanctions import bounded
from countersign.registrar.operations.transitions import add_event
from countersign.rules.access import Permission
from countersign.rules.life_cycle import State
from countersign.storage.database.servers import Server, ServerEvent

REPORTS_A_DAY = 3


def report_remedy(work: Work, actor: Actor, server: Server, text: str) -> ServerEvent:
    """Say what has been done to lift a suspension; it changes nothing by itself.

    Raises :class:`OperationError`: nothing is asked for, or it was said too often.
    """
    require(actor, Permission.ANSWER_CASE)
    hold(work, server)
    if server.state is not State.SUSPENDED or server.remedy_done_at is not None:
        raise OperationError("Nothing is asked for now.")
    said = bounded(text)
    if not said:
        raise OperationError("Say what has been done.")
    since = work.now - datetime.timedelta(hours=24)
    before = history(work, server, actions=[Happening.REMEDY_REPORTED], limit=REPORTS_A_DAY)
    if sum(one.at > since for one in before) >= REPORTS_A_DAY:
        raise OperationError(f"You have written {REPORTS_A_DAY} times in 24 hours: wait a while.")
    return add_event(work, server, Happening.REMEDY_REPORTED, actor, reason=said)
