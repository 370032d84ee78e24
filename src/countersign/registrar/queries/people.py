"""Who is on the registrar's staff."""

from __future__ import annotations

from sqlalchemy import exists, select

from countersign.registrar.operations.office import Work
from countersign.rules.roles import STAFF
from countersign.storage.database.accounts import Account, AccountRole

_MOST = 10_000


def staff_members(work: Work) -> list[Account]:
    """Return all accounts with a role on the staff, disabled ones too."""
    on_staff = exists().where(AccountRole.account_id == Account.id, AccountRole.role.in_(STAFF))
    return list(
        work.session.scalars(select(Account).where(on_staff).order_by(Account.id).limit(_MOST))
    )
