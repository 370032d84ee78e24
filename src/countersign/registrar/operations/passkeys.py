"""Passkeys (WebAuthn level 2): as a second factor, and instead of password and factor both."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from countersign.registrar.operations.accounts import account_for
from countersign.registrar.operations.digests import keyed_digest
from countersign.registrar.operations.factors import (
    check_removable,
    count_passkeys,
    note_added,
    note_removed,
)
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import (
    Actor,
    NotFoundError,
    OperationError,
    Work,
    account_of,
)
from countersign.storage.database.accounts import Account, Passkey
from countersign.web.site import Site

MAX_PASSKEYS = 20
MAX_RESPONSE = 16 * 1024
"""Characters of what a browser answers."""
_FAILED = "The passkey was not accepted. Try it again, or use another way to sign in."


def registration_options(work: Work, actor: Actor) -> tuple[str, str]:
    """Return what a browser needs to make a passkey: options as JSON, and the challenge."""
    account = account_for(work, account_of(actor))
    own = passkeys_of(work, account.id)
    if len(own) >= MAX_PASSKEYS:
        raise OperationError(f"An account has at most {MAX_PASSKEYS} passkeys: remove one first.")
    options = generate_registration_options(
        rp_id=_site(work).name,
        rp_name=work.config.operator_name,
        user_id=bytes.fromhex(keyed_digest(work, "passkey users", str(account.id))),
        user_name=account.email,
        user_display_name=account.name,
        exclude_credentials=[PublicKeyCredentialDescriptor(one.credential_id) for one in own],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return options_to_json(options), bytes_to_base64url(options.challenge)


def register(work: Work, actor: Actor, challenge: str, response: str, name: str) -> None:
    """Add a passkey that a browser made. Raises :class:`OperationError`."""
    account = account_for(work, account_of(actor))
    hold(work, account)
    parsed = _parsed(response)
    try:
        made = verify_registration_response(
            credential=parsed,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=_site(work).name,
            expected_origin=_site(work).origin,
            require_user_verification=True,
        )
    except Exception:
        # On hostile CBOR the library raises much beside its own errors: KeyError, IndexError, …
        raise OperationError("The passkey could not be set up: try it again.") from None
    taken = select(Passkey.id).where(Passkey.credential_id == made.credential_id)
    if work.session.scalar(taken) is not None:
        raise OperationError("This passkey is set up already.")
    work.session.add(
        Passkey(
            account_id=account.id,
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=" ".join(name.split())[:64] or "Passkey",
            created_at=work.now,
        )
    )
    work.session.flush()
    note_added(work, actor, "passkey")


def authentication_options(work: Work, account_id: int | None) -> tuple[str, str]:
    """Return what a browser needs to use a passkey: options as JSON, and the challenge.

    account_id: whose; None: the browser offers those that it has.
    """
    own = passkeys_of(work, account_id) if account_id is not None else []
    options = generate_authentication_options(
        rp_id=_site(work).name,
        allow_credentials=[PublicKeyCredentialDescriptor(one.credential_id) for one in own],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options), bytes_to_base64url(options.challenge)


def authenticate(work: Work, challenge: str, response: str, account_id: int | None) -> Account:
    """Return the account whose passkey signed a challenge, with its user verified.

    account_id: whose it must be; None: anybody's. Raises :class:`OperationError`.
    """
    parsed = _parsed(response)
    passkey = _find(work, parsed, account_id)
    try:
        used = verify_authentication_response(
            credential=parsed,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=_site(work).name,
            expected_origin=_site(work).origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except Exception:
        raise OperationError(_FAILED) from None
    account = work.session.get_one(Account, passkey.account_id)
    if account.disabled_at is not None or account.email_confirmed_at is None:
        raise OperationError(_FAILED)
    passkey.sign_count, passkey.last_used_at = used.new_sign_count, work.now
    return account


def _find(work: Work, parsed: dict[str, Any], account_id: int | None) -> Passkey:
    try:
        key = base64url_to_bytes(str(parsed.get("rawId", ""))[:2048])
    except ValueError:
        raise OperationError(_FAILED) from None
    passkey = work.session.scalar(select(Passkey).where(Passkey.credential_id == key))
    if passkey is None or account_id not in (None, passkey.account_id):
        raise OperationError(_FAILED)
    hold(work, passkey)
    return passkey


def passkeys_of(work: Work, account_id: int) -> list[Passkey]:
    """Return the passkeys of an account, the first made first."""
    query = select(Passkey).where(Passkey.account_id == account_id).order_by(Passkey.id)
    return list(work.session.scalars(query))


def remove(work: Work, actor: Actor, passkey_id: int) -> None:
    """Remove a passkey. Raises :class:`OperationError`."""
    account = account_for(work, account_of(actor))
    hold(work, account)
    passkey = work.session.get(Passkey, passkey_id)
    if passkey is None or passkey.account_id != account.id:
        raise NotFoundError("There is no such passkey.")
    others = count_passkeys(work, account.id) - 1 + int(account.totp_confirmed_at is not None)
    check_removable(work, account, others)
    work.session.delete(passkey)
    note_removed(work, actor, account, "passkey")


def _site(work: Work) -> Site:
    return Site.of(work.config.url)


def _parsed(response: str) -> dict[str, Any]:
    try:
        parsed = json.loads(response[:MAX_RESPONSE])
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise OperationError(_FAILED)
    return parsed
