"""One's own account: name, address, password, sessions."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import accounts, accreditations, factors, passwords, sessions
from countersign.registrar.operations.accounts import account_for
from countersign.registrar.operations.api_tokens import tokens_of
from countersign.registrar.operations.office import OperationError
from countersign.registrar.operations.sign_in import Outcome, by_password
from countersign.registrar.web.access import FRESH, SIGNED_IN
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.portal.signing import (
    check_failures,
    check_mails,
    count_failure,
    known_device,
)
from countersign.registrar.web.visit import Visit

pages = Pages()


@pages.get("/account", allow=SIGNED_IN)
def show_account(visit: Visit) -> Response:
    """Show the account."""
    with visit.reading() as work:
        account = account_for(work, visit.me.account_id)
        return visit.render(
            "account/account.html",
            account=account,
            has_factor=factors.has_factor(work, account),
            codes_left=factors.recovery_codes_left(work, account.id),
            sessions=sessions.sessions_of(work, account.id),
            here=_session(visit),
            tokens=tokens_of(work, account.id),
            accreditation=accreditations.latest(work, account.id),
        )


@pages.get("/account/name", allow=SIGNED_IN)
def show_name(visit: Visit) -> Response:
    """Ask for another name."""
    return visit.render("account/name.html", name=visit.me.name, errors={})


@pages.post("/account/name", allow=SIGNED_IN)
def change_name(visit: Visit) -> Response:
    """Change what one is called."""
    name = visit.form.text("name", 1000)
    try:
        with visit.work() as work:
            accounts.change_name(work, visit.owner, name)
    except OperationError as error:
        return visit.render("account/name.html", code=422, name=name, errors={"name": str(error)})
    visit.flash("Your name has been changed.")
    return visit.redirect("/account")


@pages.get("/account/email", allow=FRESH)
def show_email(visit: Visit) -> Response:
    """Ask for another address."""
    return visit.render("account/email.html", email="", errors={})


@pages.post("/account/email", allow=FRESH)
def change_email(visit: Visit) -> Response:
    """Send a link to the new address."""
    check_mails(visit)
    email = visit.form.text("email", 1000)
    try:
        with visit.work() as work:
            accounts.ask_new_address(work, visit.owner, email)
    except OperationError as error:
        errors = {"email": str(error)}
        return visit.render("account/email.html", code=422, email=email, errors=errors)
    visit.flash("We have sent a link to the new address: open it to make the change.", "notice")
    return visit.redirect("/account")


@pages.get("/change-email/{token}", allow=SIGNED_IN)
def show_new_email(visit: Visit, token: str) -> Response:
    """Ask whether to make the change."""
    return visit.render("account/new_email.html")


@pages.post("/change-email/{token}", allow=SIGNED_IN)
def take_new_email(visit: Visit, token: str) -> Response:
    """Make the change."""
    with visit.work() as work:
        accounts.take_new_address(work, visit.owner, token, session=_session(visit))
    visit.flash("Your address has been changed.")
    return visit.redirect("/account")


@pages.get("/account/password", allow=SIGNED_IN)
def show_password(visit: Visit) -> Response:
    """Ask for the old and a new password."""
    return visit.render("account/password.html", errors={})


@pages.post("/account/password", allow=SIGNED_IN)
def change_password(visit: Visit) -> Response:
    """Change the password; all other sessions end."""
    check_failures(visit)
    new, errors = visit.form.secret("new_password"), {}
    old, device = visit.form.secret("old_password"), known_device(visit)
    result = by_password(visit.office, visit.me.email, old, device=device)
    if result.outcome not in (Outcome.DONE, Outcome.SECOND_FACTOR):
        count_failure(visit)
        errors["old_password"] = "This is not your present password."  # noqa: S105
    try:
        passwords.check_strength(new, visit.me.name, visit.me.email)
    except OperationError as error:
        errors["new_password"] = str(error)
    if errors:
        return visit.render("account/password.html", code=422, errors=errors)
    hashed = passwords.hash_password(new)
    with visit.work() as work:
        accounts.change_password(work, visit.owner, hashed, session=_session(visit))
    visit.flash("Your password has been changed. All other sessions have ended.")
    return visit.redirect("/account")


@pages.post("/account/sessions/end", allow=SIGNED_IN)
def end_session(visit: Visit) -> Response:
    """End another of one's own sessions, or all others."""
    with visit.work() as work:
        if visit.form.ticked("all"):
            sessions.end_all(work, visit.me.account_id, but=_session(visit))
        else:
            sessions.end_own(work, visit.me.account_id, visit.form.text("session", 64))
    visit.flash("Ended.")
    return visit.redirect("/account")


def _session(visit: Visit) -> str:
    assert visit.browser.found is not None
    return visit.browser.found.digest
