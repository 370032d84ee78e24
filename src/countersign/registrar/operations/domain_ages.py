"""Since when a server's domain is registered: by RDAP, or entered with evidence (DESIGN §6)."""

from __future__ import annotations

import datetime
from typing import Any

from countersign.registrar.domain_age import Found, NotFound, Outcome, registrable_domain
from countersign.registrar.operations.access import refuse_own_cause, require
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.documents_of import DOMAIN_AGE
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.offers import try_activate
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.operations.screenings import clear_if_automatic
from countersign.registrar.operations.transitions import add_event
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, State
from countersign.storage.database.screening import DomainAgeRecord
from countersign.storage.database.servers import Document, Server

MANUAL = "manual"
"""The source of what a screener entered."""
OLDEST = datetime.date(1985, 1, 1)
"""Before it no domain was registered in the DNS."""
MOST_EVENTS = 20


def record_finding(work: Work, server: Server, outcome: Outcome) -> DomainAgeRecord | None:
    """Store what the registry says, or that it could not be told: then a screener may enter it.

    Does nothing for an application that has ended. What a screener entered stays, unless the
    registry knows a date.
    """
    hold(work, server)
    if server.state in ENDED:
        return None
    if isinstance(outcome, Found):
        domain, day, source = outcome.domain, outcome.registered_on, outcome.source
        evidence: dict[str, Any] = {
            "events": [
                {"action": event.action, "date": event.date}
                for event in outcome.events[:MOST_EVENTS]
            ]
        }
    elif isinstance(outcome, NotFound):
        domain, day, source = outcome.domain, None, outcome.source
        evidence = {"reason": "the registry knows no such domain"}
    else:
        domain, day, source = _domain_of(server), None, "rdap"
        evidence = {"reason": outcome.reason[:255]}
    record = DomainAgeRecord(
        server_id=server.id,
        at=work.now,
        domain=domain[:255],
        registered_on=day,
        source=source[:255],
        evidence=evidence,
    )
    work.session.add(record)
    work.session.flush()
    _follow(work, server, record, SYSTEM)
    clear_if_automatic(work, server)
    return record


def record_manual(
    work: Work,
    actor: Actor,
    server: Server,
    *,
    registered_on: datetime.date,
    document_id: int,
    note: str = "",
) -> DomainAgeRecord:
    """Store a date that a screener read off a paper in the application, kind 'domain-age'.

    Raises :class:`OperationError`: no such paper, or a date that cannot be.
    """
    require(actor, Permission.SCREEN)
    refuse_own_cause(actor, server)
    hold(work, server)
    if server.state is State.DRAFT or server.state in ENDED:
        raise OperationError("The age of the domain is of no account now.")
    if not OLDEST <= registered_on <= work.today:
        raise OperationError(f"The date must be between {OLDEST} and today.")
    document = work.session.get(Document, document_id)
    if (
        document is None
        or (document.server_id, document.kind) != (server.id, DOMAIN_AGE)
        or document.removed_at is not None
    ):
        raise OperationError("Name the uploaded document that shows the date.")
    record = DomainAgeRecord(
        server_id=server.id,
        at=work.now,
        domain=_domain_of(server),
        registered_on=registered_on,
        source=MANUAL,
        evidence={"note": note[:255]},
        document_id=document.id,
        recorded_by=account_of(actor),
    )
    work.session.add(record)
    work.session.flush()
    _follow(work, server, record, actor)
    return record


def _follow(work: Work, server: Server, record: DomainAgeRecord, actor: Actor) -> None:
    if record.registered_on is not None:
        server.domain, server.domain_registered_on = record.domain, record.registered_on
    elif not server.domain:
        server.domain = record.domain
    details = {
        "record": record.id,
        "registered_on": record.registered_on.isoformat() if record.registered_on else None,
        "source": "manual" if record.source == MANUAL else "rdap",
    }
    add_event(work, server, Deed.DOMAIN_AGE, actor, details=details)
    # An offer, or a bond, may already hang on the age, and nothing else be missing.
    try_activate(work, server)


def _domain_of(server: Server) -> str:
    return (registrable_domain(server.hostname) or server.hostname)[:255]
