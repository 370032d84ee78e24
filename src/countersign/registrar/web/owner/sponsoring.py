"""The sponsor's side: questions of others, what is risked, and for whom one vouches."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.documents.markdown import to_html
from countersign.registrar.operations import forfeitures, sponsorships
from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.operations.refunds import pending_forfeiture
from countersign.registrar.operations.sponsor_views import (
    claims_on,
    exposure,
    requests_to,
    undertakings_of,
)
from countersign.registrar.operations.trust import may_vouch
from countersign.registrar.queries.sponsoring import forfeitures_of, promised_by
from countersign.registrar.web.access import SIGNED_IN
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.storage.database.promises import Forfeiture, SponsorshipState
from countersign.storage.database.servers import Server

pages = Pages()

_ONE = "/sponsorship/{sponsorship:key}"


@pages.get("/sponsorship", allow=SIGNED_IN)
def show_sponsorship(visit: Visit) -> Response:
    """Show who asks, for whom one vouches, and what was claimed."""
    account_id = visit.me.account_id
    with visit.reading() as work:
        asked = requests_to(work, account_id)
        standing = undertakings_of(work, account_id)
        claimed = claims_on(work, account_id)
        promised = promised_by(work, {one.sponsor.id: one.sponsor for one in standing}.values())
        cases = forfeitures_of(work, [one.server.id for one in standing])
    return visit.render(
        "owner/sponsorship.html",
        asked=asked,
        standing=standing,
        claimed=claimed,
        promised=promised,
        cases=cases,
    )


@pages.get(_ONE, allow=SIGNED_IN)
def show_one(visit: Visit, sponsorship: int) -> Response:
    """Show one question or undertaking, with what is risked."""
    return _page(visit, sponsorship, {})


@pages.post(f"{_ONE}/accept", allow=SIGNED_IN)
def accept(visit: Visit, sponsorship: int) -> Response:
    """Vouch for the server."""
    if not visit.form.ticked("accept"):
        return _page(visit, sponsorship, {"accept": "Tick the box to accept."}, code=422)
    try:
        with visit.work() as work:
            one, server = sponsorships.for_sponsor(work, visit.owner, sponsorship)
            sponsorships.accept(
                work, visit.owner, one, visit.form.text("version", 32), visit.form.text("seen", 64)
            )
            hostname = server.hostname
    except ConflictError as error:
        return _page(visit, sponsorship, {"accept": str(error)}, code=409)
    except (NotFoundError, ForbiddenError):
        raise
    except OperationError as error:
        return _page(visit, sponsorship, {"accept": str(error)}, code=422)
    visit.flash(f"You vouch for {hostname} now.")
    return visit.redirect("/sponsorship")


@pages.post(f"{_ONE}/decline", allow=SIGNED_IN)
def decline(visit: Visit, sponsorship: int) -> Response:
    """Refuse to vouch."""
    with visit.work() as work:
        one, server = sponsorships.for_sponsor(work, visit.owner, sponsorship)
        sponsorships.decline(work, visit.owner, one)
        hostname = server.hostname
    visit.flash(f"You have declined to vouch for {hostname}.")
    return visit.redirect("/sponsorship")


@pages.post(f"{_ONE}/notice", allow=SIGNED_IN)
def give_notice(visit: Visit, sponsorship: int) -> Response:
    """Take an undertaking back."""
    with visit.work() as work:
        one, server = sponsorships.for_sponsor(work, visit.owner, sponsorship)
        sponsorships.give_notice(work, visit.owner, one)
        begun, hostname = server.active_since is not None, server.hostname
    days = visit.office.config.money.notice_days
    ends = f"ends in {days} days, or when you are replaced" if begun else "has ended"
    visit.flash(f"Your undertaking for {hostname} {ends}.")
    return visit.redirect("/sponsorship")


@pages.post(f"{_ONE}/reply", allow=SIGNED_IN)
def reply(visit: Visit, sponsorship: int) -> Response:
    """Reply, as a sponsor, to a forfeiture that is proposed for the server."""
    try:
        with visit.work() as work:
            _, server = sponsorships.for_sponsor(work, visit.owner, sponsorship)
            text = visit.form.text("reply", 4000)
            forfeitures.reply(work, visit.owner, _pending(work, server), text)
    except (ConflictError, ForbiddenError, NotFoundError):
        raise
    except OperationError as error:
        return _page(visit, sponsorship, {"reply": str(error)}, code=422)
    visit.flash("Your reply is with the registrar.")
    return visit.redirect(f"/sponsorship/{sponsorship}")


def _pending(work: Work, server: Server) -> Forfeiture:
    found = pending_forfeiture(work, server)
    if found is None:
        raise NotFoundError("There is no forfeiture to reply to.")
    return found


def _page(visit: Visit, key: int, errors: dict[str, str], code: int = 200) -> Response:
    money = visit.office.config.money
    with visit.reading() as work:
        one, server = sponsorships.for_sponsor(work, visit.owner, key)
        sponsor = work.session.get_one(Server, one.sponsor_id)
        text = sponsorships.undertaking(work, one)
        risked = exposure(work, sponsor)
        forfeiture = (
            pending_forfeiture(work, server) if one.state is SponsorshipState.ACCEPTED else None
        )
        trusted = may_vouch(work, sponsor)
    return visit.render(
        "owner/sponsorship_one.html",
        code=code,
        one=one,
        server=server,
        sponsor=sponsor,
        exposure=risked,
        text=text,
        content=to_html(text.markdown, first_heading=3),
        forfeiture=forfeiture,
        is_trusted=trusted,
        money=money,
        errors=errors,
        typed=visit.form.plain(),
    )
