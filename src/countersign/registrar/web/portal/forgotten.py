"""A new password by a link: for those who forgot it, and for invited staff."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import accounts, passwords, staff
from countersign.registrar.operations.office import OperationError
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.portal.signing import check_mails
from countersign.registrar.web.visit import Visit

pages = Pages()


@pages.get("/forgotten-password", allow=PUBLIC)
def show_forgotten(visit: Visit) -> Response:
    """Ask for the address."""
    return visit.render("account/forgotten.html")


@pages.post("/forgotten-password", allow=PUBLIC)
def send_link(visit: Visit) -> Response:
    """Send a link, if there is such an account; says the same for every address."""
    check_mails(visit)
    with visit.work() as work:
        accounts.ask_reset(work, visit.form.text("email"))
    return visit.redirect("/forgotten-password/sent")


@pages.get("/forgotten-password/sent", allow=PUBLIC)
def show_sent(visit: Visit) -> Response:
    """Tell where to look."""
    return visit.render("account/sent.html", what="reset")


@pages.get("/reset-password/{token}", allow=PUBLIC)
def show_reset(visit: Visit, token: str) -> Response:
    """Ask for a new password."""
    return _show(visit, accounts.RESET, token)


@pages.post("/reset-password/{token}", allow=PUBLIC)
def reset(visit: Visit, token: str) -> Response:
    """Set the new password; all sessions end."""
    return _set(visit, accounts.RESET, token)


@pages.get("/invitation/{token}", allow=PUBLIC)
def show_invitation(visit: Visit, token: str) -> Response:
    """Ask somebody who was invited for a password."""
    return _show(visit, staff.INVITATION, token)


@pages.post("/invitation/{token}", allow=PUBLIC)
def accept_invitation(visit: Visit, token: str) -> Response:
    """Set the first password."""
    return _set(visit, staff.INVITATION, token)


def _show(visit: Visit, purpose: str, token: str, error: str = "") -> Response:
    with visit.reading() as work:
        email = accounts.to_be_reset(work, purpose, token).email
    return visit.render(
        "account/new_password.html",
        code=422 if error else 200,
        invited=purpose == staff.INVITATION,
        email=email,
        errors={"password": error} if error else {},
    )


def _set(visit: Visit, purpose: str, token: str) -> Response:
    password = visit.form.secret("password")
    with visit.reading() as work:
        account = accounts.to_be_reset(work, purpose, token)
        words = (account.name, account.email, work.config.operator_name)
    try:
        passwords.check_strength(password, *words)
    except OperationError as error:
        return _show(visit, purpose, token, str(error))
    hashed = passwords.hash_password(password)
    with visit.work() as work:
        accounts.reset_password(work, purpose, token, hashed)
    visit.browser.forget()
    visit.flash("The new password is set. Sign in with it.")
    return visit.redirect("/sign-in")
