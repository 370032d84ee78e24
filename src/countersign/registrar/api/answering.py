"""How the API tells what is there: entity tags, and conditions on them (RFC 9110 §13)."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel
from starlette.responses import Response

from countersign.registrar.api.problems import ProblemError

JSON = "application/json"
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=1000,
        description="`ETag` of an answer that you have: 304 if nothing has changed since.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="`ETag` of what you have read: 412 if it has changed since.",
    ),
]


def tag_of(body: bytes) -> str:
    """Return the strong entity tag of a representation (RFC 9110 §8.8.3)."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def octets_of(model: BaseModel) -> bytes:
    """Return a representation as JSON."""
    return model.model_dump_json().encode()


def show(model: BaseModel, if_none_match: str | None = None) -> Response:
    """Return a representation with its entity tag, or 304 if the caller has it."""
    body = octets_of(model)
    tag = tag_of(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match and (if_none_match.strip() == "*" or tag in _tags(if_none_match)):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)


def check_match(model: BaseModel, if_match: str | None) -> None:
    """Raise 412 unless the caller has seen what is there now (RFC 9110 §13.1.1)."""
    if if_match is None or if_match.strip() == "*":
        return
    # Compared strongly: a weak tag matches nothing.
    if tag_of(octets_of(model)) not in {part.strip() for part in if_match.split(",")}:
        raise ProblemError(412, "This has changed since you read it: read it again.")


def _tags(header: str) -> set[str]:
    # For reading a weak tag will do (§13.1.2): a proxy that compresses makes it one.
    return {part.strip().removeprefix("W/") for part in header.split(",")}
