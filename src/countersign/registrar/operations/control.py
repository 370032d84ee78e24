"""Proof that whoever applies controls the host: nobody else's server is ever tested (DESIGN §8).

The token, the proof once it is found, and orders to look for it. The look itself is in
`registrar/control_proof.py`, and done by a job of the kind "control".
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import exists, select, update

from countersign.protocol.control import RANDOM_OCTETS, make_control_token
from countersign.registrar.operations.access import require
from countersign.registrar.operations.certifications import order_test
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.events import add_event
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import SYSTEM, Actor, Office, OperationError, Work
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, State
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.servers import Server, ServerEvent, TestRun

CONTROL = "control"
"""Kind of the job that looks for a proof."""
PAUSE_MINUTES = 2
"""Between two looks that somebody asks for."""
LOOKS_A_DAY = 30
RETRIES_AFTER = (5, 15, 60, 240)
"""Minutes after which a look that got no answer is repeated; then every day."""
NOT_PROVEN = (
    "Prove first that you control the host: publish its token in the DNS, or let its gateway "
    "announce it."
)
_AT_ONCE = 500
"""Servers for which a look is ordered in one transaction."""


def token_of(work: Work, server: Server) -> str:
    """Return the token that proves control of a server's host; it is made when first asked for."""
    if not server.control_token:
        made = make_control_token(secrets.token_bytes(RANDOM_OCTETS))
        work.session.flush()
        # Of two that make one at the same time, one does.
        statement = update(Server).where(Server.id == server.id, Server.control_token == "")
        work.session.execute(
            statement.values(control_token=made).execution_options(synchronize_session=False)
        )
        work.session.refresh(server)
    return server.control_token


def is_proven(server: Server) -> bool:
    """Tell whether control of a server's host has been proven: once is enough."""
    return server.control_proven_at is not None


def record_proof(
    work: Work, server: Server, method: str, *, evidence: str = "", actor: Actor = SYSTEM
) -> None:
    """Note that control is proven; an application that waits for nothing else is tested now.

    method: 'dns' or 'gateway'. evidence: what was seen, and where; nothing personal.
    """
    hold(work, server)
    if is_proven(server) or server.state in ENDED:
        return
    _write(work, server, control_proven_at=work.now, control_method=method)
    details = {"method": str(method), "evidence": evidence}
    add_event(work, server, Deed.CONTROL_PROVEN, actor, details=details)
    if server.state is State.SCREENED and not _has_run(work, server):
        order_test(work, server, "application")


def record_look(work: Work, server: Server, words: str) -> None:
    """Note what was seen when the proof was looked for."""
    _write(work, server, control_checked_at=work.now, control_seen=words)


def forget_proof(work: Work, server: Server) -> None:
    """Take a proof back: it was of another host name."""
    _write(
        work,
        server,
        control_proven_at=None,
        control_method="",
        control_checked_at=None,
        control_seen="",
    )


def order_check(
    work: Work, server: Server, *, run_at: datetime.datetime | None = None, repetition: int = 0
) -> None:
    """Order a look for the proof, unless one is waiting already.

    run_at: not before; default: now. repetition: how many looks before it got no answer.
    """
    token_of(work, server)
    prefix = f"{CONTROL}:{server.id}:"
    when = run_at or work.now
    waiting = work.session.scalar(
        select(Job)
        .where(
            # No range: a database's order of texts may leave punctuation out of account.
            Job.unique_key.startswith(prefix, autoescape=True),
            Job.state == JobState.WAITING,
            Job.worker == "",
        )
        .limit(1)
        .with_for_update()
    )
    if waiting is not None:
        waiting.run_at = min(waiting.run_at, when)
        return
    payload = {"server": server.id, "repetition": repetition}
    work.order(CONTROL, payload, unique_key=f"{prefix}{secrets.token_hex(8)}", run_at=when)


def repeat_check(work: Work, server: Server, repetition: int) -> None:
    """Order a look that got no answer again, later each time, and not for ever."""
    if repetition < len(RETRIES_AFTER):
        pause = datetime.timedelta(minutes=RETRIES_AFTER[repetition])
        order_check(work, server, run_at=work.now + pause, repetition=repetition + 1)


def ask_check(work: Work, actor: Actor, server: Server) -> None:
    """Order a look because somebody asks for it. Raises :class:`OperationError`: too often."""
    require(actor, Permission.ASK_TEST)
    hold(work, server)
    if server.state in ENDED:
        raise OperationError("This application has ended.")
    if is_proven(server):
        raise OperationError("Control of the host has been proven already.")
    asked = _asked_for(work, server)
    if asked and work.now - asked[0] < datetime.timedelta(minutes=PAUSE_MINUTES):
        raise OperationError(f"It was looked for just now: wait {PAUSE_MINUTES} minutes.")
    if len(asked) >= LOOKS_A_DAY:
        raise OperationError(f"It is looked for {LOOKS_A_DAY} times a day at most.")
    order_check(work, server)
    add_event(work, server, Deed.CONTROL_ASKED, actor)


def order_checks(office: Office) -> int:
    """Order a look for each application that waits for its proof; returns how many. Daily."""
    after = total = 0
    while True:
        with office.work() as work:
            servers = work.session.scalars(
                select(Server)
                .where(
                    Server.state == State.SCREENED,
                    Server.control_proven_at.is_(None),
                    Server.id > after,
                )
                .order_by(Server.id)
                .limit(_AT_ONCE)
            ).all()
            for server in servers:
                order_check(work, server)
        if not servers:
            return total
        after, total = servers[-1].id, total + len(servers)


def _asked_for(work: Work, server: Server) -> Sequence[datetime.datetime]:
    since = work.now - datetime.timedelta(hours=24)
    return work.session.scalars(
        select(ServerEvent.at)
        .where(
            ServerEvent.server_id == server.id,
            ServerEvent.action == Deed.CONTROL_ASKED,
            ServerEvent.at > since,
        )
        .order_by(ServerEvent.id.desc())
    ).all()


def _has_run(work: Work, server: Server) -> bool:
    return bool(work.session.scalar(select(exists().where(TestRun.server_id == server.id))))


def _write(work: Work, server: Server, **values: Any) -> None:
    """Write columns past the server's version: whoever decides on it is not concerned."""
    work.session.flush()
    work.session.execute(
        update(Server)
        .where(Server.id == server.id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    work.session.refresh(server)
