"""The document that describes the API to programs (OpenAPI 3.1), mended where FastAPI errs.

Who may use a route, and which errors every route has, stands in one place: the declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI

from countersign.certification.authorization import SCHEME
from countersign.registrar.api.problems import Problem, answers
from countersign.registrar.web.access import Access, Kind
from countersign.rules.access import SCOPE_WORDS

TOKEN = "Token"  # noqa: S105 - the scheme's name in the document
PROBE = "Probe"
_REF = "#/components/schemas/{model}"
_ETAG = {
    "ETag": {
        "description": "Names this very content; send it as `If-None-Match` or `If-Match`.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_LOCATION = {
    "Location": {
        "description": "Where it is.",
        "schema": {"type": "string", "format": "uri-reference"},
    }
}
Operation = dict[str, Any]


def describe(app: FastAPI, declarations: Iterable[tuple[str, str, Access]]) -> None:
    """Complete an application's document; declarations: method, path and access of each route."""
    made = app.openapi()
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template=_REF)
    schemas.update({"Problem": problem, **problem.pop("$defs", {})})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    made["components"]["securitySchemes"] = {
        TOKEN: {
            "type": "http",
            "scheme": "bearer",
            "description": "Made in the browser on the page 'API tokens'. Scopes: "
            + "; ".join(f"`{scope}`: {words}" for scope, words in SCOPE_WORDS.items())
            + ".",
        },
        PROBE: {
            "type": "http",
            "scheme": SCHEME,
            "description": "The registrar's own probes: each request is signed with Ed25519 by the "
            "key that the probe was enrolled with.",
        },
    }
    for method, path, access in declarations:
        _mend(made["paths"][path][method.lower()], access)


def _mend(operation: Operation, access: Access) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    codes = [429]
    if operation.get("parameters") or "requestBody" in operation:
        codes.append(400)
    if "requestBody" in operation:
        codes += [408, 413]
    if access.kind is Kind.TOKEN:
        codes += [401, 403]
        operation["security"] = [{TOKEN: [str(access.scope)] if access.scope else []}]
        operation["description"] = _with_scope(operation.get("description", ""), access)
    elif access.kind is Kind.PROBE:
        codes.append(401)
        operation["security"] = [{PROBE: []}]
    for code, answer in answers(*codes).items():
        responses.setdefault(str(code), answer)
    _add_headers(responses)
    for parameter in operation.get("parameters", ()):
        _mend_schema(parameter)
    operation["summary"] = first_sentence(operation["description"])
    operation["responses"] = dict(sorted(responses.items()))


def _mend_schema(parameter: dict[str, Any]) -> None:
    """Say that a parameter may be left out, but never be null."""
    schema = parameter["schema"]
    kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema.update(kinds[0])


def first_sentence(text: str) -> str:
    """Return what a description begins with, without the full stop."""
    return re.split(r"[.;:]\s|[.;:]\Z", text, maxsplit=1)[0].replace("\n", " ")


def _with_scope(description: str, access: Access) -> str:
    wanted = f"Scope: `{access.scope}`." if access.scope else "Any token will do."
    return f"{description}\n\n{wanted}".strip()


def _add_headers(responses: Mapping[str, Any]) -> None:
    if "304" in responses:
        # Without a body, and so without the form of an error's.
        responses["304"].pop("content", None)
        for code in ("200", "304"):
            responses[code].setdefault("headers", {}).update(_ETAG)
    if "201" in responses and "Location" in responses["201"].get("description", ""):
        responses["201"].setdefault("headers", {}).update(_LOCATION)
