"""Sign up, and confirm the address."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from countersign.registrar.operations import accounts, passwords
from countersign.registrar.operations.office import OperationError
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.errors import ThrottledError
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.portal.signing import begin_session, check_failures, count_failure
from countersign.registrar.web.visit import Visit

pages = Pages()


@pages.get("/sign-up", allow=PUBLIC)
def show_sign_up(visit: Visit) -> Response:
    """Show the form."""
    if visit.person is not None:
        return visit.redirect("/account")
    return visit.render("account/sign_up.html", values={}, errors={})


@pages.post("/sign-up", allow=PUBLIC)
def sign_up(visit: Visit) -> Response:
    """Make an account that waits for its confirmation; says the same for every address."""
    form = visit.form
    name, email = form.text("name", 1000), form.text("email", 1000)
    password = form.secret("password")
    if not visit.throttles.sign_ups.count(visit.address):
        raise ThrottledError("Too many accounts were asked for from your address: wait an hour.")
    errors: dict[str, str] = {}
    with visit.reading() as work:
        _collect(errors, "name", lambda: accounts.checked_name(name))
        _collect(errors, "email", lambda: accounts.normalised_address(work, email))
    words = (name, email, visit.office.config.operator_name)
    _collect(errors, "password", lambda: passwords.check_strength(password, *words))
    if errors:
        return visit.render("account/sign_up.html", code=422, values=form.plain(), errors=errors)
    hashed = passwords.hash_password(password)
    with visit.work() as work:
        accounts.sign_up(work, email, name, hashed)
    return visit.redirect("/sign-up/sent")


@pages.get("/sign-up/sent", allow=PUBLIC)
def show_sent(visit: Visit) -> Response:
    """Tell where to look."""
    return visit.render("account/sent.html", what="sign-up")


@pages.get("/confirm-email/{token}", allow=PUBLIC)
def show_confirm(visit: Visit, token: str) -> Response:
    """Ask for the password. Opening the link changes nothing: mail scanners open links too."""
    with visit.reading() as work:
        accounts.to_be_confirmed(work, token)
    return visit.render("account/confirm.html", errors={})


@pages.post("/confirm-email/{token}", allow=PUBLIC)
def confirm(visit: Visit, token: str) -> Response:
    """Confirm the address, and sign in."""
    check_failures(visit)
    with visit.reading() as work:
        kept = accounts.to_be_confirmed(work, token).password_hash
    if not passwords.verify(kept, visit.form.secret("password")):
        count_failure(visit)
        errors = {"password": "This is not the password that was chosen for the account."}
        return visit.render("account/confirm.html", code=422, errors=errors)
    with visit.work() as work:
        account = accounts.confirm(work, token)
        response = begin_session(visit, work, account, "", "/servers")
    visit.flash("Your address is confirmed. Welcome.")
    return response


def _collect(errors: dict[str, str], name: str, check: Callable[[], object]) -> None:
    try:
        check()
    except OperationError as error:
        errors[name] = str(error)
