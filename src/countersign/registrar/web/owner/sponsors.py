"""Who vouches for a server: asked by host name, and what their answers change."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import sponsorships
from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
)
from countersign.registrar.operations.sponsor_views import sponsors_of
from countersign.registrar.operations.trust import assess, counting, sponsors_can_help
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.owner import frame
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import State
from countersign.storage.database.promises import Sponsorship

pages = Pages()

_ASK, _SEE = Permission.ASK_SPONSORS, Permission.SEE_MONEY
_MAY_ASK = frozenset({State.SUBMITTED, State.SCREENED, State.TESTED, State.OFFERED, State.ACTIVE})


@pages.get("/servers/{server:key}/sponsors", allow=server_access(_SEE))
def show_sponsors(visit: Visit, server: int) -> Response:
    """Show who was asked, who accepted, and what that does to the bond."""
    return _page(visit, server, "")


@pages.post("/servers/{server:key}/sponsors", allow=server_access(_ASK))
def ask(visit: Visit, server: int) -> Response:
    """Ask the owner of a trusted server to vouch."""
    try:
        with visit.work() as work:
            row = frame.find(work, server)
            sponsorships.ask(work, visit.actor(_ASK), row, visit.form.text("hostname", 255))
    except (ConflictError, ForbiddenError):
        raise
    except OperationError as error:
        return _page(visit, server, str(error), code=422)
    visit.flash("The question has been sent to the owner of that server.")
    return visit.redirect(f"/servers/{server}/sponsors")


@pages.post("/servers/{server:key}/sponsors/{sponsorship:key}/withdraw", allow=server_access(_ASK))
def withdraw(visit: Visit, server: int, sponsorship: int) -> Response:
    """Take a question back that has not been answered."""
    with visit.work() as work:
        one = work.session.get(Sponsorship, sponsorship)
        if one is None or one.server_id != server:
            raise NotFoundError("There is no such question.")
        sponsorships.withdraw_request(work, visit.actor(_ASK), one)
    visit.flash("The question has been withdrawn.")
    return visit.redirect(f"/servers/{server}/sponsors")


def _page(visit: Visit, server: int, error: str, code: int = 200) -> Response:
    money = visit.office.config.money
    with visit.reading() as work:
        row = frame.find(work, server)
        found = sponsors_of(work, row)
        counted = [one.sponsorship.id for one in counting(work, row)]
        can_help = sponsors_can_help(work, row)
        now = assess(work, row)
        without = assess(work, row, sponsors=0)
        with_all = assess(work, row, sponsors=money.sponsors)
        held = bond_held(work, row.id, row.bond_currency)
    return frame.show(
        visit,
        "owner/sponsors.html",
        row,
        "/sponsors",
        code=code,
        found=found,
        counted=counted,
        can_help=can_help,
        may_ask=can_help and visit.may(_ASK) and row.state in _MAY_ASK,
        now=now,
        without=without,
        with_all=with_all,
        held=held,
        needed=money.sponsors,
        currency=row.bond_currency or money.currency,
        months=money.trusted_months,
        left=max(0, money.sponsor_requests - len(found)),
        typed=visit.form.text("hostname", 255),
        errors={"hostname": error} if error else {},
    )
