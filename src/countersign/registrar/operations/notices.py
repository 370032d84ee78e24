"""Order mail to those whom an event concerns; `registrar/mail` writes it when it is sent."""

from __future__ import annotations

from typing import Any

from countersign.registrar.operations.office import Work
from countersign.storage.database.servers import Server, ServerEvent


def notify_of_event(work: Work, server: Server, event: ServerEvent) -> None:
    """Tell owner, agent and admin contact of a server what happened, each once."""
    tell_parties(work, server, "event", unique=f"event:{event.id}", event=event.id)


def tell_parties(work: Work, server: Server, template: str, *, unique: str, **values: Any) -> None:
    """Order a message to owner, agent and admin contact of a server, to each once."""
    concerned = (server.owner_id, server.agent_id, server.admin_contact_id)
    for account_id in sorted({one for one in concerned if one is not None}):
        order_mail(work, template, account_id, unique=unique, **values)


def order_mail(
    work: Work, template: str, account_id: int | None, *, unique: str = "", **values: Any
) -> None:
    """Order a message to an account; it is made from a template and keys of what it tells of.

    account_id: None where what it tells of has an address of its own (`mail/facts.py`). values:
    keys and plain figures only. unique: the cause; a cause is told to a person once.
    """
    reader = {} if account_id is None else {"account": account_id}
    work.order(
        "mail",
        {"template": template, **reader, **values},
        unique_key=f"mail:{template}:{unique}:{account_id}" if unique else None,
    )
