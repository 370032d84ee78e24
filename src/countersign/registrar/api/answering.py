"""How the API answers: entity tags for what is read, idempotency keys for what is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Header, Request
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from starlette.responses import Response

from countersign.registrar.api.caller import office_of
from countersign.registrar.api.problems import ProblemError
from countersign.registrar.operations.api_tokens import Bearer
from countersign.registrar.operations.office import Work
from countersign.storage.database.accounts import IdempotentAnswer

_JSON = "application/json"
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Any text that names this request: sent again with the same key it is not "
        "done again, and gets the same answer. Kept for 24 hours.",
    ),
]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", max_length=1000)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=1000)]


def tag_of(body: bytes) -> str:
    """Return the strong entity tag of a representation (RFC 9110 §8.8.3)."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def show(model: BaseModel, if_none_match: str | None = None) -> Response:
    """Return a representation with its entity tag, or 304 if the caller has it."""
    body = model.model_dump_json().encode()
    tag = tag_of(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match and (if_none_match.strip() == "*" or tag in _tags(if_none_match)):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=_JSON, headers=headers)


def check_match(model: BaseModel, if_match: str | None) -> None:
    """Raise 412 unless the caller has seen what is there now (RFC 9110 §13.1.1)."""
    if if_match is None or if_match.strip() == "*":
        return
    if tag_of(model.model_dump_json().encode()) not in _tags(if_match):
        raise ProblemError(412, "This has changed since you read it: read it again.")


def _tags(header: str) -> set[str]:
    # Weak tags count for reading (§13.1.2); If-Match never gets one from us.
    return {part.strip().removeprefix("W/") for part in header.split(",")}


def change(
    request: Request,
    bearer: Bearer,
    key: str | None,
    body: bytes,
    operation: Callable[[Work], BaseModel | None],
    *,
    status: int = 200,
    headers: Mapping[str, str] | Callable[[BaseModel], Mapping[str, str]] | None = None,
) -> Response:
    """Make a change in one transaction and answer with its result.

    With an idempotency key the answer is kept in the same transaction: if the change is there,
    so is the answer, whatever crashes. The same key with another request is refused (422); two
    with the same key at one time: one is done, the other gets 409.
    """
    office = office_of(request)
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + body).hexdigest()
    try:
        with office.work() as work:
            if key is not None and (kept := _kept(work, bearer, key, digest)) is not None:
                return kept
            model = operation(work)
            content = b"" if model is None else model.model_dump_json().encode()
            extra = headers(model) if callable(headers) and model is not None else headers
            fields = {**(extra if isinstance(extra, Mapping) else {})}
            code = 204 if model is None else status
            if key is not None:
                _keep(work, bearer, key, digest, status=code, headers=fields, body=content)
    except IntegrityError as error:
        if "idempotent_answer" in str(error.orig):
            raise ProblemError(409, "A request with this key is being done just now.") from None
        raise
    return _response(code, fields, content)


def _kept(work: Work, bearer: Bearer, key: str, digest: str) -> Response | None:
    row = work.session.get(IdempotentAnswer, (bearer.token_id, key))
    if row is None:
        return None
    if row.request_digest != digest:
        raise ProblemError(422, "This idempotency key was used for another request.")
    return _response(row.status, {**row.headers, "Idempotent-Replayed": "true"}, row.body)


def _keep(
    work: Work,
    bearer: Bearer,
    key: str,
    digest: str,
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
) -> None:
    work.session.add(
        IdempotentAnswer(
            token_id=bearer.token_id,
            key=key,
            request_digest=digest,
            status=status,
            headers=dict(headers),
            body=body,
            created_at=work.now,
        )
    )
    work.session.flush()


def _response(status: int, headers: Mapping[str, str], body: bytes) -> Response:
    return Response(body, status, dict(headers), media_type=_JSON if body else None)
