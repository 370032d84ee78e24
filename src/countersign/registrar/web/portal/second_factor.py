"""The second factor: an authenticator, passkeys, recovery codes."""

from __future__ import annotations

import segno
from starlette.responses import Response

from countersign.registrar.operations import factors, passkeys, sessions
from countersign.registrar.operations.accounts import account_for
from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.web.access import FRESH_ENROLLING
from countersign.registrar.web.entrance import ENROL
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.portal.signing import options_for_passkey, take_challenge
from countersign.registrar.web.visit import Visit

pages = Pages()

_TOTP = f"{ENROL}/authenticator"


@pages.get(ENROL, allow=FRESH_ENROLLING)
def show_factors(visit: Visit) -> Response:
    """Show what is set up, and what can be."""
    visit.scripts = ("passkeys.js",)
    with visit.reading() as work:
        account = account_for(work, visit.me.account_id)
        return visit.render(
            "account/second_factor.html",
            account=account,
            passkeys=passkeys.passkeys_of(work, account.id),
            codes_left=factors.recovery_codes_left(work, account.id),
            with_passkeys=visit.browser.site.takes_passkeys,
            must_enrol=visit.me.must_enrol,
        )


@pages.post(_TOTP, allow=FRESH_ENROLLING)
def begin_authenticator(visit: Visit) -> Response:
    """Make a secret for an authenticator."""
    with visit.work() as work:
        factors.begin_totp(work, visit.owner, _session(visit))
    return visit.redirect(_TOTP)


@pages.get(_TOTP, allow=FRESH_ENROLLING)
def show_authenticator(visit: Visit) -> Response:
    """Show the secret, to be scanned."""
    return _show_authenticator(visit)


@pages.post(f"{_TOTP}/confirm", allow=FRESH_ENROLLING)
def confirm_authenticator(visit: Visit) -> Response:
    """Take the authenticator that shows a right code."""
    try:
        with visit.work() as work:
            code = visit.form.text("code", 16)
            factors.confirm_totp(work, visit.owner, _session(visit), _pending(visit), code)
            return _done(visit, work, "totp")
    except OperationError as error:
        return _show_authenticator(visit, str(error))


@pages.post(f"{_TOTP}/remove", allow=FRESH_ENROLLING)
def remove_authenticator(visit: Visit) -> Response:
    """Remove the authenticator."""
    with visit.work() as work:
        factors.remove_totp(work, visit.owner)
    visit.flash("The authenticator has been removed.")
    return visit.redirect(ENROL)


@pages.post(f"{ENROL}/passkeys/options", allow=FRESH_ENROLLING)
def passkey_options(visit: Visit) -> Response:
    """Give the script what it needs to make a passkey."""
    with visit.reading() as work:
        options, challenge = passkeys.registration_options(work, visit.owner)
    return options_for_passkey(visit, options, challenge, "register")


@pages.post(f"{ENROL}/passkeys", allow=FRESH_ENROLLING)
def add_passkey(visit: Visit) -> Response:
    """Add a passkey."""
    response = visit.form.text("credential", passkeys.MAX_RESPONSE)
    with visit.work() as work:
        challenge = take_challenge(visit, work, "register")
        passkeys.register(work, visit.owner, challenge, response, visit.form.text("name", 64))
        return _done(visit, work, "passkey")


@pages.post(f"{ENROL}/passkeys/{{passkey:key}}/remove", allow=FRESH_ENROLLING)
def remove_passkey(visit: Visit, passkey: int) -> Response:
    """Remove a passkey."""
    with visit.work() as work:
        passkeys.remove(work, visit.owner, passkey)
    visit.flash("The passkey has been removed.")
    return visit.redirect(ENROL)


@pages.post(f"{ENROL}/recovery-codes", allow=FRESH_ENROLLING)
def make_codes(visit: Visit) -> Response:
    """Make new recovery codes; they are shown once, by this very answer."""
    with visit.work() as work:
        codes = factors.new_recovery_codes(work, visit.owner)
    return visit.render("account/recovery_codes.html", codes=codes)


def _done(visit: Visit, work: Work, factor: str) -> Response:
    """Let the session do more, under a new cookie; show recovery codes with the first factor."""
    cookie = sessions.renew(work, _session(visit), factor=factor)
    if cookie:
        visit.browser.start(cookie)
    sessions.end_all(work, visit.me.account_id, but=sessions.digest_of(cookie or ""))
    if factors.recovery_codes_left(work, visit.me.account_id) == 0:
        codes = factors.new_recovery_codes(work, visit.owner)
        return visit.render("account/recovery_codes.html", codes=codes)
    visit.flash("The second factor is set up.")
    return visit.redirect(ENROL)


def _show_authenticator(visit: Visit, error: str = "") -> Response:
    with visit.reading() as work:
        secret = factors.pending_secret(work, visit.owner, _pending(visit))
        address = factors.totp_address(work, secret, visit.me.email)
    return visit.render(
        "account/authenticator.html",
        code=422 if error else 200,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        address=address,
        picture=segno.make(address).svg_data_uri(scale=5, light="#fff"),
        errors={"code": error} if error else {},
    )


def _session(visit: Visit) -> str:
    assert visit.browser.found is not None
    return visit.browser.found.digest


def _pending(visit: Visit) -> str:
    assert visit.browser.found is not None
    return str(visit.browser.found.data.get("totp", ""))
