"""Ask to become an agent."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import accreditations
from countersign.registrar.operations.office import OperationError
from countersign.registrar.web.access import SIGNED_IN
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit

pages = Pages()


@pages.get("/account/agent", allow=SIGNED_IN)
def show_agent(visit: Visit) -> Response:
    """Show how a request stands, or the form to make one."""
    return _page(visit)


@pages.post("/account/agent", allow=SIGNED_IN)
def ask(visit: Visit) -> Response:
    """Ask to be accredited."""
    form = visit.form
    try:
        with visit.work() as work:
            accreditations.ask(
                work, visit.owner, form.text("organisation", 2000), form.text("statement", 2000)
            )
    except OperationError as error:
        return _page(visit, str(error))
    visit.flash("The registrar has your request. You are told by mail what becomes of it.")
    return visit.redirect("/account/agent")


def _page(visit: Visit, error: str = "") -> Response:
    with visit.reading() as work:
        return visit.render(
            "account/agent.html",
            code=422 if error else 200,
            latest=accreditations.latest(work, visit.me.account_id),
            values=visit.form.plain(),
            errors={"": error} if error else {},
        )
