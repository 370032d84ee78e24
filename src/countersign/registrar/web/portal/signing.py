"""What the pages share on which somebody proves who they are: sessions begun, challenges kept."""

from __future__ import annotations

import datetime
import json
from typing import Any

from starlette.responses import Response

from countersign.registrar.operations import devices, passkeys, sessions, sign_in
from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.web.entrance import ENROL
from countersign.registrar.web.errors import ThrottledError
from countersign.registrar.web.portal.device import device_label
from countersign.registrar.web.visit import Visit, local
from countersign.rules.roles import STAFF
from countersign.storage.database.accounts import Account

_CHALLENGE_MINUTES = 5
_WAIT = "Too many failed attempts come from your address. Wait {minutes} minutes, then try again."


def check_failures(visit: Visit) -> None:
    """Raise :class:`ThrottledError` for an address from which too many attempts failed."""
    if visit.throttles.failures.is_over(visit.address):
        minutes = visit.office.config.security.lock_minutes
        raise ThrottledError(_WAIT.format(minutes=minutes))


def known_device(visit: Visit) -> str:
    """Return the cookie of a browser that may be known; empty if it guessed too often."""
    cookie = visit.browser.device
    over = visit.throttles.devices.is_over(devices.name_of(cookie))
    return "" if over else cookie


def count_failure(visit: Visit) -> None:
    """Count a failed attempt, of the address and of the browser."""
    visit.throttles.failures.count(visit.address)
    if visit.browser.device:
        visit.throttles.devices.count(devices.name_of(visit.browser.device))


def check_mails(visit: Visit) -> None:
    """Raise :class:`ThrottledError` for an address that had us send too many mails."""
    if not visit.throttles.mails.count(visit.address):
        raise ThrottledError("Too many letters were asked for from your address: wait an hour.")


def begin_session(visit: Visit, work: Work, account: Account, factor: str, going: str) -> Response:
    """Begin the session of somebody who has shown all factors, and send them on."""
    if visit.browser.found is not None:
        sessions.end(work, visit.browser.found.digest)
    agent = visit.request.headers.get("user-agent", "")
    cookie, device = sign_in.finish(work, account.id, factor=factor, device=device_label(agent))
    visit.browser.start(cookie)
    visit.browser.remember_device(device)
    is_staff = any(one.role in STAFF for one in account.roles)
    if is_staff and not factor:
        return visit.redirect(ENROL)
    return visit.redirect(local(going, "/staff" if is_staff else "/servers"))


def options_for_passkey(visit: Visit, options: str, challenge: str, purpose: str) -> Response:
    """Keep a challenge, and answer the script that asked for it.

    The challenge is for one purpose and one use, within five minutes.
    """
    kept = {"value": challenge, "purpose": purpose, "at": visit.now.isoformat()}
    found = visit.browser.found
    with visit.work() as work:
        if found is None:
            visit.browser.start(sessions.begin_waiting(work, {"challenge": kept}))
        else:
            sessions.keep(work, found.digest, challenge=kept)
    # The script's form was made under the cookie that has just been replaced.
    return visit.json({"options": json.loads(options), "token": visit.browser.csrf_token()})


def take_challenge(visit: Visit, work: Work, purpose: str) -> str:
    """Use a challenge up. Raises :class:`OperationError` if there is none for this purpose."""
    found = visit.browser.found
    kept: dict[str, Any] = (found.data.get("challenge") or {}) if found else {}
    if found is not None:
        sessions.keep(work, found.digest, challenge=None)
    if kept.get("purpose") != purpose:
        raise OperationError("Begin again: that took too long.")
    age = visit.now - datetime.datetime.fromisoformat(kept["at"])
    if age > datetime.timedelta(minutes=_CHALLENGE_MINUTES):
        raise OperationError("Begin again: that took too long.")
    return str(kept["value"])


def account_of_passkey(visit: Visit, purpose: str, account_id: int | None) -> Account:
    """Return the account that a browser has just shown a passkey of.

    The challenge is used up even if the passkey is refused. Raises :class:`OperationError`.
    """
    with visit.work() as work:
        challenge = take_challenge(visit, work, purpose)
    response = visit.form.text("credential", passkeys.MAX_RESPONSE)
    with visit.work() as work:
        return passkeys.authenticate(work, challenge, response, account_id)
