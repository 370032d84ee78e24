"""Sign in and out."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import passkeys, sessions, sign_in
from countersign.registrar.operations.accounts import account_for
from countersign.registrar.operations.office import ForbiddenError, OperationError
from countersign.registrar.operations.sign_in import Outcome
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.entrance import SIGN_IN
from countersign.registrar.web.errors import ThrottledError
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.portal.signing import (
    account_of_passkey,
    begin_session,
    check_failures,
    count_failure,
    known_device,
    options_for_passkey,
)
from countersign.registrar.web.visit import Visit, local

pages = Pages()

FACTOR = "/sign-in/factor"
_FAILED = (
    "The address or the password is wrong, or there were too many attempts. After "
    "{failures} failures an account takes none for {minutes} minutes; a link to choose a new "
    "password works at once."
)
_WRONG_CODE = "The code is wrong, has been used, or there were too many attempts."


@pages.get(SIGN_IN, allow=PUBLIC)
def show_sign_in(visit: Visit) -> Response:
    """Show the form."""
    if visit.person is not None:
        return visit.redirect(local(visit.query.text("next"), "/account"))
    return _form(visit, visit.query.text("next"))


@pages.post(SIGN_IN, allow=PUBLIC)
def take_password(visit: Visit) -> Response:
    """Verify address and password."""
    check_failures(visit)
    going = visit.form.text("next")
    result = sign_in.by_password(
        visit.office,
        visit.form.text("email"),
        visit.form.secret("password"),
        device=known_device(visit),
    )
    if result.outcome is Outcome.FAILED:
        count_failure(visit)
        limits = visit.office.config.security
        text = _FAILED.format(failures=limits.failures, minutes=limits.lock_minutes)
        return _form(visit, going, text)
    if result.outcome is Outcome.UNCONFIRMED:
        text = "Confirm your address first: we have sent you another letter with a link."
        return _form(visit, going, text)
    with visit.work() as work:
        account = account_for(work, result.account_id)
        if result.outcome is Outcome.DONE:
            return begin_session(visit, work, account, "", going)
        cookie = sessions.begin_waiting(work, {"pending": account.id, "next": local(going, "")})
    visit.browser.start(cookie)
    return visit.redirect(FACTOR)


@pages.get(FACTOR, allow=PUBLIC)
def show_factor(visit: Visit) -> Response:
    """Ask for the second factor."""
    if not _pending(visit):
        return visit.redirect(SIGN_IN)
    return _factor_form(visit)


@pages.post(FACTOR, allow=PUBLIC)
def take_code(visit: Visit) -> Response:
    """Verify a code."""
    check_failures(visit)
    account_id = _pending(visit)
    if not account_id:
        return visit.redirect(SIGN_IN)
    with visit.work() as work:
        factor = sign_in.by_code(
            work, account_id, visit.form.text("code", 64), device=known_device(visit)
        )
        if factor:
            return begin_session(visit, work, account_for(work, account_id), factor, _going(visit))
    count_failure(visit)
    return _factor_form(visit, _WRONG_CODE)


@pages.post("/sign-in/factor/passkey/options", allow=PUBLIC)
def factor_options(visit: Visit) -> Response:
    """Give the script what it needs to use one of the account's passkeys."""
    account_id = _pending(visit)
    if not account_id:
        raise ForbiddenError("Sign in with your password first.")
    with visit.reading() as work:
        options, challenge = passkeys.authentication_options(work, account_id)
    return options_for_passkey(visit, options, challenge, "factor")


@pages.post("/sign-in/factor/passkey", allow=PUBLIC)
def take_factor_passkey(visit: Visit) -> Response:
    """Verify a passkey as the second factor."""
    account_id = _pending(visit)
    if not account_id:
        return visit.redirect(SIGN_IN)
    try:
        account = account_of_passkey(visit, "factor", account_id)
    except OperationError as error:
        return _factor_form(visit, str(error))
    with visit.work() as work:
        return begin_session(visit, work, account, "passkey", _going(visit))


@pages.post("/sign-in/passkey/options", allow=PUBLIC)
def passkey_options(visit: Visit) -> Response:
    """Give the script what it needs to use any passkey that the browser has."""
    check_failures(visit)
    if not visit.throttles.challenges.count(visit.address):
        raise ThrottledError("Too many passkeys were asked for from your address: wait an hour.")
    with visit.reading() as work:
        options, challenge = passkeys.authentication_options(work, None)
    return options_for_passkey(visit, options, challenge, "sign-in")


@pages.post("/sign-in/passkey", allow=PUBLIC)
def take_passkey(visit: Visit) -> Response:
    """Sign in by a passkey alone: it is both factors, for it verifies its user."""
    check_failures(visit)
    try:
        account = account_of_passkey(visit, "sign-in", None)
    except OperationError as error:
        count_failure(visit)
        return _form(visit, visit.form.text("next"), str(error))
    with visit.work() as work:
        return begin_session(visit, work, account, "passkey", visit.form.text("next"))


@pages.post("/sign-out", allow=PUBLIC)
def sign_out(visit: Visit) -> Response:
    """End the session."""
    if visit.browser.found is not None:
        with visit.work() as work:
            sessions.end(work, visit.browser.found.digest)
    visit.browser.forget()
    visit.flash("You have signed out.")
    return visit.redirect(SIGN_IN)


def _form(visit: Visit, going: str, error: str = "") -> Response:
    visit.scripts = ("passkeys.js",)
    return visit.render(
        "account/sign_in.html",
        code=422 if error else 200,
        going=local(going, ""),
        email=visit.form.text("email"),
        errors={"": error} if error else {},
        with_passkeys=visit.browser.site.takes_passkeys,
    )


def _factor_form(visit: Visit, error: str = "") -> Response:
    visit.scripts = ("passkeys.js",)
    with visit.reading() as work:
        account = account_for(work, _pending(visit))
        has_totp = account.totp_confirmed_at is not None
        has_passkeys = bool(passkeys.passkeys_of(work, account.id))
    return visit.render(
        "account/factor.html",
        code=422 if error else 200,
        errors={"code": error} if error else {},
        has_totp=has_totp,
        has_passkeys=has_passkeys and visit.browser.site.takes_passkeys,
    )


def _pending(visit: Visit) -> int:
    """Return the account that has shown its password only; 0: none."""
    found = visit.browser.found
    return int(found.data.get("pending", 0)) if found and found.person is None else 0


def _going(visit: Visit) -> str:
    found = visit.browser.found
    return str(found.data.get("next", "")) if found else ""
