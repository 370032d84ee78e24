"""The staff's accounts, for administrators; auditors may look."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import factors, staff
from countersign.registrar.operations.office import OperationError
from countersign.registrar.web.access import staff as staff_with
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.roles import STAFF, Role

pages = Pages()

_SEE = staff_with(Permission.SEE_STAFF)
_MANAGE = staff_with(Permission.MANAGE_STAFF, fresh=True)
_ACCOUNT = "/staff/accounts/{account:key}"


@pages.get("/staff/accounts", allow=_SEE)
def show_staff(visit: Visit) -> Response:
    """Show who has a role."""
    return _list(visit, "", visit.query.integer("after"))


@pages.post("/staff/accounts/search", allow=_SEE)
def search(visit: Visit) -> Response:
    """Find accounts by address. By POST: an address has no place in an address bar or a log."""
    return _list(visit, visit.form.text("q", 255), 0)


@pages.get("/staff/accounts/invite", allow=_MANAGE)
def show_invite(visit: Visit) -> Response:
    """Ask whom to invite."""
    return _invite_form(visit)


@pages.post("/staff/accounts/invite", allow=_MANAGE)
def invite(visit: Visit) -> Response:
    """Invite somebody, with roles."""
    form = visit.form
    roles = {role for role in STAFF if role in form.all("roles")}
    try:
        with visit.work() as work:
            actor = visit.actor(Permission.MANAGE_STAFF)
            staff.invite(work, actor, form.text("email"), form.text("name"), roles)
    except OperationError as error:
        return _invite_form(visit, str(error))
    visit.flash("Invited: a letter with a link is on its way, unless the account was there.")
    return visit.redirect("/staff/accounts")


@pages.get(_ACCOUNT, allow=_SEE)
def show_one(visit: Visit, account: int) -> Response:
    """Show an account and its roles."""
    with visit.reading() as work:
        found = staff.look_at(work, visit.actor(Permission.SEE_STAFF), account)
        held = {one.role for one in found.roles}
        return visit.render(
            "account/staff_one.html",
            account=found,
            has_factor=factors.has_factor(work, found),
            held=sorted(held & STAFF),
            free=[(str(role), _words(role)) for role in sorted(STAFF - held)],
            may_change=visit.may(Permission.MANAGE_STAFF) and account != visit.me.account_id,
        )


@pages.post(f"{_ACCOUNT}/grant", allow=_MANAGE)
def grant(visit: Visit, account: int) -> Response:
    """Give a role."""
    with visit.work() as work:
        staff.grant(work, visit.actor(Permission.MANAGE_STAFF), account, _role(visit))
    return _back(visit, account, "The role has been given.")


@pages.post(f"{_ACCOUNT}/revoke", allow=_MANAGE)
def revoke(visit: Visit, account: int) -> Response:
    """Take a role away."""
    with visit.work() as work:
        staff.revoke(work, visit.actor(Permission.MANAGE_STAFF), account, _role(visit))
    return _back(visit, account, "The role has been taken away.")


@pages.post(f"{_ACCOUNT}/disable", allow=_MANAGE)
def disable(visit: Visit, account: int) -> Response:
    """Shut the account out."""
    with visit.work() as work:
        staff.disable(work, visit.actor(Permission.MANAGE_STAFF), account)
    return _back(visit, account, "The account has been shut out.")


@pages.post(f"{_ACCOUNT}/enable", allow=_MANAGE)
def enable(visit: Visit, account: int) -> Response:
    """Let the account in again."""
    with visit.work() as work:
        staff.enable(work, visit.actor(Permission.MANAGE_STAFF), account)
    return _back(visit, account, "The account may sign in again.")


@pages.post(f"{_ACCOUNT}/remove-factors", allow=_MANAGE)
def remove_factors(visit: Visit, account: int) -> Response:
    """Remove the factors of somebody who has lost them."""
    with visit.work() as work:
        staff.remove_factors(work, visit.actor(Permission.MANAGE_STAFF), account)
    return _back(visit, account, "The second factors have been removed.")


def _list(visit: Visit, search: str, after: int) -> Response:
    with visit.reading() as work:
        actor = visit.actor(Permission.SEE_STAFF)
        found = staff.list_accounts(work, actor, search, after)
        return visit.render(
            "account/staff.html",
            accounts=found[: staff.PAGE],
            next_after=found[staff.PAGE - 1].id if len(found) > staff.PAGE else 0,
            search=search,
        )


def _invite_form(visit: Visit, error: str = "") -> Response:
    return visit.render(
        "account/staff_invite.html",
        code=422 if error else 200,
        roles=[(str(role), _words(role)) for role in sorted(STAFF)],
        chosen=visit.form.all("roles"),
        values=visit.form.plain(),
        errors={"": error} if error else {},
    )


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.form.text("role", 32))
    except ValueError:
        raise OperationError("Choose a role.") from None


def _words(role: Role) -> str:
    text = role.replace("-", " ")
    return text[:1].upper() + text[1:]


def _back(visit: Visit, account: int, text: str) -> Response:
    visit.flash(text)
    return visit.redirect(f"/staff/accounts/{account}")
