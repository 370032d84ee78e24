"""Letters that were ordered: what a person would find in the mailbox."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from countersign.registrar.operations.office import Office
from countersign.registrar.operations.tokens import make_token
from countersign.storage.database.jobs import Job


def orders(office: Office, template: str) -> list[dict[str, Any]]:
    """Return the orders for a kind of letter, the first first."""
    with office.reading() as work:
        jobs = work.session.scalars(select(Job).where(Job.kind == "mail").order_by(Job.id)).all()
        return [dict(job.payload) for job in jobs if job.payload["template"] == template]


def token_of(office: Office, template: str) -> str:
    """Return the token in the last letter of a kind."""
    order = orders(office, template)[-1]
    return make_token(office.keyring, template, order["nonce"])
