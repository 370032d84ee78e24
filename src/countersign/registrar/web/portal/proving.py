"""Prove to be the same person still, before what is sensitive."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import factors, passkeys, sessions, sign_in
from countersign.registrar.operations.accounts import account_for
from countersign.registrar.operations.office import OperationError
from countersign.registrar.operations.sign_in import Outcome
from countersign.registrar.web.access import ENROLLING
from countersign.registrar.web.entrance import PROVE
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.portal.signing import (
    account_of_passkey,
    check_failures,
    count_failure,
    known_device,
    options_for_passkey,
)
from countersign.registrar.web.visit import Visit, local

pages = Pages()


@pages.get(PROVE, allow=ENROLLING)
def show_prove(visit: Visit) -> Response:
    """Ask for the factor, or for the password of whoever has none."""
    return _form(visit, visit.query.text("next"))


@pages.post(PROVE, allow=ENROLLING)
def take_proof(visit: Visit) -> Response:
    """Verify a code or the password."""
    check_failures(visit)
    with visit.reading() as work:
        has_factor = factors.has_factor(work, account_for(work, visit.me.account_id))
    if has_factor:
        with visit.work() as work:
            code, device = visit.form.text("code", 64), known_device(visit)
            good = bool(sign_in.by_code(work, visit.me.account_id, code, device=device))
    else:
        password = visit.form.secret("password")
        device = known_device(visit)
        result = sign_in.by_password(visit.office, visit.me.email, password, device=device)
        good = result.outcome in (Outcome.DONE, Outcome.SECOND_FACTOR)
    if good:
        return _proved(visit)
    count_failure(visit)
    return _form(visit, visit.form.text("next"), "That is not right, or there were too many tries.")


@pages.post("/account/prove/passkey/options", allow=ENROLLING)
def prove_options(visit: Visit) -> Response:
    """Give the script what it needs to use one of the account's passkeys."""
    with visit.reading() as work:
        options, challenge = passkeys.authentication_options(work, visit.me.account_id)
    return options_for_passkey(visit, options, challenge, "prove")


@pages.post("/account/prove/passkey", allow=ENROLLING)
def take_passkey_proof(visit: Visit) -> Response:
    """Verify a passkey."""
    try:
        account_of_passkey(visit, "prove", visit.me.account_id)
    except OperationError as error:
        return _form(visit, visit.form.text("next"), str(error))
    return _proved(visit)


def _proved(visit: Visit) -> Response:
    assert visit.browser.found is not None
    with visit.work() as work:
        cookie = sessions.renew(work, visit.browser.found.digest, proved_at=visit.now.isoformat())
    if cookie:
        visit.browser.start(cookie)
    return visit.redirect(local(visit.form.text("next"), "/account"))


def _form(visit: Visit, going: str, error: str = "") -> Response:
    visit.scripts = ("passkeys.js",)
    with visit.reading() as work:
        account = account_for(work, visit.me.account_id)
        has_totp = account.totp_confirmed_at is not None
        has_passkeys = bool(passkeys.passkeys_of(work, account.id))
    return visit.render(
        "account/prove.html",
        code=422 if error else 200,
        going=local(going, "/account"),
        errors={"code" if has_totp or has_passkeys else "password": error} if error else {},
        has_totp=has_totp,
        has_passkeys=has_passkeys and visit.browser.site.takes_passkeys,
    )
