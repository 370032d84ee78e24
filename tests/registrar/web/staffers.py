"""The registrar's own people at their browsers, and what is in the access log."""

from __future__ import annotations

from sqlalchemy import select

from countersign.registrar.operations.office import Office
from countersign.rules.roles import Role
from countersign.storage.database.accounts import AccessRecord
from tests.registrar.web.form_filler import Filler
from tests.registrar.web.visitors import Site, add_account


def at_desk(site: Site, *roles: Role, name: str = "", account_id: int = 0) -> Filler:
    """Return somebody of the staff at a browser, with a new account unless one is given."""
    key = account_id or add_account(site.office, *roles, name=name)
    return Filler(site.visitor(account_id=key))


def looks(office: Office, what: str = "", account_id: int = 0) -> list[AccessRecord]:
    """Return the records of the access log, the oldest first."""
    with office.reading() as work:
        found = work.session.scalars(select(AccessRecord).order_by(AccessRecord.id)).all()
    return [one for one in found if what in ("", one.what) and account_id in (0, one.account_id)]
