"""What tests of the owner's pages share: who looks, and servers in trouble."""

from __future__ import annotations

from typing import Any

from countersign.registrar.operations import sanctions
from countersign.registrar.operations.office import Office
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.visitors import Site

OFFERED: dict[str, Any] = {"registered_on": treasury.YOUNG}


def owner_of(site: Site, key: int) -> Filler:
    """Return the owner of a server at a browser."""
    with site.office.reading() as work:
        account_id = work.session.get_one(Server, key).owner_id
    return Filler(site.visitor(account_id=account_id))


def server_of(office: Office, key: int) -> Server:
    with office.reading() as work:
        return work.session.get_one(Server, key)


def suspend(office: Office, key: int) -> None:
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        sanctions.suspend(
            work,
            adjudicator,
            work.session.get_one(Server, key),
            reason="A trap was hit.",
            public_reason="spam to a trap",
            remedy="Close the user's account.",
        )
