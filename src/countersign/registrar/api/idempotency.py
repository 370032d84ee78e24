"""How the API changes things: in one transaction, once for each idempotency key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Header, Request
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from starlette.responses import Response

from countersign.registrar.api.answering import JSON, octets_of
from countersign.registrar.api.caller import office_of
from countersign.registrar.api.problems import ProblemError
from countersign.registrar.operations.api_tokens import Bearer
from countersign.registrar.operations.digests import keyed_digest
from countersign.registrar.operations.office import Work
from countersign.registrar.vault.envelope import VaultError
from countersign.storage.database.accounts import IdempotentAnswer

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Any text that names this request: sent again with the same key it is not "
        "done again, and gets the same answer. Kept for 24 hours; refusals are not kept.",
    ),
]
Headers = Mapping[str, str]
_UNDER_WAY = 0
"""Status of an answer that is not there yet."""


def change(
    request: Request,
    bearer: Bearer,
    key: str | None,
    operation: Callable[[Work], BaseModel | None],
    *,
    status: int = 200,
    headers: Callable[[BaseModel], Headers] | None = None,
) -> Response:
    """Make a change in one transaction and answer with its result; None is answered with 204.

    With an idempotency key the answer is kept in the same transaction: if the change is there,
    so is the answer, whatever crashes. Whoever comes with the same key meanwhile waits for it.
    The same key with another request is refused (422).
    """
    with office_of(request).work() as work:
        claim = _claim(work, request, bearer, key) if key is not None else None
        if isinstance(claim, Response):
            return claim
        model = operation(work)
        body = b"" if model is None else octets_of(model)
        fields = dict(headers(model)) if headers is not None and model is not None else {}
        code = 204 if model is None else status
        if claim is not None:
            claim.status, claim.headers = code, fields
            claim.body = work.keyring.seal(body, _context(bearer, claim.key))
    return _response(code, fields, body)


def answered(request: Request, bearer: Bearer, key: str | None) -> Response | None:
    """Return the answer that a key has got; for what is costly to do before the transaction."""
    if key is None:
        return None
    with office_of(request).reading() as work:
        row = work.session.get(IdempotentAnswer, (bearer.token_id, key))
        return None if row is None else _again(work, request, bearer, row)


def _claim(work: Work, request: Request, bearer: Bearer, key: str) -> IdempotentAnswer | Response:
    """Take a key for this request; or return what it was answered with."""
    row = work.session.get(IdempotentAnswer, (bearer.token_id, key))
    if row is not None:
        return _again(work, request, bearer, row)
    claim = IdempotentAnswer(
        token_id=bearer.token_id,
        key=key,
        request_digest=_digest(work, request),
        status=_UNDER_WAY,
        headers={},
        body=b"",
        created_at=work.now,
    )
    try:
        # Taken first: another transaction with this key waits here until this one has ended.
        with work.session.begin_nested():
            work.session.add(claim)
    except IntegrityError:
        row = work.session.get_one(IdempotentAnswer, (bearer.token_id, key))
        return _again(work, request, bearer, row)
    return claim


def _again(work: Work, request: Request, bearer: Bearer, row: IdempotentAnswer) -> Response:
    if row.request_digest != _digest(work, request):
        raise ProblemError(422, "This idempotency key was used for another request.")
    try:
        body = work.keyring.open(row.body, _context(bearer, row.key))
    except VaultError:
        # The master key was retired since.
        raise ProblemError(
            409, "This was done before, but its answer is not kept any more: look what is there."
        ) from None
    return _response(row.status, {**row.headers, "Idempotent-Replayed": "true"}, body)


def _digest(work: Work, request: Request) -> str:
    # Under a key: a birth date or number in a request could be guessed from a plain digest.
    return keyed_digest(
        work,
        "idempotent request",
        request.method,
        request.url.path,
        request.url.query,
        hashlib.sha256(request.state.body).hexdigest(),
    )


def _context(bearer: Bearer, key: str) -> bytes:
    return f"idempotent-answer:{bearer.token_id}:{key}".encode()


def _response(status: int, headers: Headers, body: bytes) -> Response:
    return Response(body, status, dict(headers), media_type=JSON if body else None)
