"""Who a visitor is to a page, and where those are sent who may not in yet."""

from __future__ import annotations

from urllib.parse import urlencode

from sqlalchemy import select
from starlette.responses import Response

from countersign.registrar.web.access import Access, Kind, Standing
from countersign.registrar.web.visit import Visit, local
from countersign.rules.access import roles_towards
from countersign.rules.roles import Role
from countersign.storage.database.servers import Server
from countersign.web.security.origins import SAFE_METHODS

SIGN_IN = "/sign-in"
ENROL = "/account/second-factor"
PROVE = "/account/prove"


def standing_of(visit: Visit, access: Access) -> Standing:
    """Return what counts of a visitor for a page."""
    person = visit.person
    if person is None:
        return Standing()
    towards = _towards(visit) if access.kind is Kind.SERVER else frozenset()
    return Standing(person.roles, person.must_enrol, person.is_fresh(visit.now), towards)


def _towards(visit: Visit) -> frozenset[Role]:
    key = int(visit.request.path_params["server"])
    columns = (Server.owner_id, Server.agent_id, Server.admin_contact_id)
    with visit.office.reading() as work:
        row = work.session.execute(select(*columns).where(Server.id == key)).one_or_none()
    if row is None:
        return frozenset()
    owner, agent, admin_contact = row
    return roles_towards((owner, agent, admin_contact), visit.me.account_id, visit.me.roles)


def to_sign_in(visit: Visit) -> Response:
    """Send a visitor to sign in, and back afterwards."""
    if visit.request.method not in SAFE_METHODS:
        visit.flash("Your session has ended. Sign in, and do it once more.", "notice")
    if visit.wants_part:
        # The whole page goes there: in the place of a part a form to sign in would be lost.
        return Response(headers={"HX-Redirect": f"{SIGN_IN}?{urlencode({'next': here(visit)})}"})
    return visit.redirect(f"{SIGN_IN}?{urlencode({'next': here(visit)})}")


def to_prove(visit: Visit) -> Response:
    """Ask a visitor to prove to be the same person still, and send them back afterwards."""
    return visit.redirect(f"{PROVE}?{urlencode({'next': here(visit)})}")


def here(visit: Visit) -> str:
    """Return the page to come back to: this one, or the one that the form stood on."""
    request = visit.request
    if request.method in SAFE_METHODS:
        query = f"?{request.url.query}" if request.url.query else ""
        return local(request.url.path + query)
    referrer = request.headers.get("referer", "")
    origin = visit.browser.site.origin
    return local(referrer.removeprefix(origin)) if referrer.startswith(f"{origin}/") else "/account"
