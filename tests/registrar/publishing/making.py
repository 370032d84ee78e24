"""Rows of servers, their keys and addresses, made at once and without their histories."""

from __future__ import annotations

import datetime
from typing import Any

from countersign.registrar.operations.office import Office
from countersign.rules.life_cycle import State
from countersign.storage.database.holdings import ServerKey
from countersign.storage.database.publication import ServerAddress
from countersign.storage.database.servers import ApplicantKind, Server
from tests.registrar.operations import life

PIN = f"3 1 1 {'ab' * 32}"
SIGNING = "v=DKIM1; k=ed25519; p=" + "A" * 43 + "="
SINCE = datetime.datetime(2026, 2, 1, 12, tzinfo=datetime.UTC)


def add_server(
    office: Office, hostname: str, state: State = State.ACTIVE, reason: str = "", *at: str
) -> int:
    """Add a server with some addresses, and order nothing."""
    owner = life.make_account(office, life.OWNER_EMAIL)
    with office.work() as work:
        server = Server(
            hostname=hostname,
            state=state,
            state_since=SINCE,
            owner_id=owner,
            kind=ApplicantKind.INDIVIDUAL,
            created_at=SINCE,
            public_reason=reason,
        )
        work.session.add(server)
        work.session.flush()
        for address in at:
            work.session.add(ServerAddress(server_id=server.id, address=address, found_at=work.now))
        return server.id


def add_key(
    office: Office, server_id: int, content: str, selector: str = "", *, revoked: bool = False
) -> None:
    """Add a pin, or with a selector a signing key."""
    with office.work() as work:
        work.session.add(
            ServerKey(
                server_id=server_id,
                purpose="dkim" if selector else "tls",
                selector=selector,
                content=content,
                registered_at=work.now,
                revoked_at=work.now if revoked else None,
            )
        )


def change(office: Office, server_id: int, **columns: Any) -> None:
    """Change a server's row, and order that it be published."""
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        for name, value in columns.items():
            setattr(server, name, value)
        work.order("publish", {"hosts": [server.hostname], "addresses": []})
