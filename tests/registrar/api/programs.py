"""Programs that use the API of an office under test, each with a token of its own.

gateway = desk.program(owner, Scope.READ_HOLDINGS, server=server_id)
answer = gateway.get(f"/servers/{server_id}/traps")
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from httpx import Response
from starlette.testclient import TestClient

from countersign.registrar.api.app import make_api
from countersign.registrar.operations import api_tokens
from countersign.registrar.operations.office import Actor, Office
from countersign.registrar.web.app import make_app
from countersign.rules.access import Scope
from countersign.rules.roles import Role

PREFIX = "/api/v1"


class Program:
    """One program. An empty token: it sends none."""

    def __init__(self, app: Any, url: str, token: str = "") -> None:
        self.token = token
        self.client = TestClient(app, base_url=url, follow_redirects=False)
        if token:
            self.client.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, *, key: str = "", **options: Any) -> Response:
        """Send a request; key: its idempotency key."""
        headers = {**options.pop("headers", {}), **({"Idempotency-Key": key} if key else {})}
        where = path if path.startswith("/api") else f"{PREFIX}{path}"
        return self.client.request(method, where, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Response:
        return self.call("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Response:
        return self.call("POST", path, **({"json": json} if json is not None else {}), **options)

    def put(self, path: str, json: Any, **options: Any) -> Response:
        return self.call("PUT", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> Response:
        return self.call("DELETE", path, **options)

    def pages(self, path: str, limit: int) -> list[list[Any]]:
        """Return the items of all pages of a list."""
        found, cursor = [], None
        while True:
            params: dict[str, Any] = {"limit": limit, **({"cursor": cursor} if cursor else {})}
            page = good(self.get(path, params=params)).json()
            found.append(page["items"])
            cursor = page["next"]
            if cursor is None:
                return found


def good(response: Response, status: int = 200) -> Response:
    """Return an answer that must have a status."""
    assert response.status_code == status, response.text
    return response


def refused(response: Response, status: int, *words: str) -> dict[str, Any]:
    """Return the problem details that a request must be refused with."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert told["status"] == status and told["title"] and told["detail"]
    for word in words:
        assert word in response.text
    return told


@contextlib.contextmanager
def about(what: object) -> Iterator[None]:
    """Say of a failure in the block what it is about."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"about {what}")
        raise


@dataclass
class Desk:
    """The API of an office under test, below its website."""

    office: Office
    app: Any = field(init=False)

    def __post_init__(self) -> None:
        self.app = make_app(self.office, api=make_api(self.office))

    def stranger(self) -> Program:
        """Return a program without a token."""
        return self.with_token("")

    def with_token(self, token: str) -> Program:
        """Return a program with a token as it is given."""
        return Program(self.app, self.office.config.url, token)

    def program(
        self, account_id: int, *scopes: Scope, server: int | None = None, days: int = 90
    ) -> Program:
        """Return a program of an account with a new token; all scopes if none are given."""
        return self.with_token(self.token(account_id, *scopes, server=server, days=days))

    def token(
        self, account_id: int, *scopes: Scope, server: int | None = None, days: int = 90
    ) -> str:
        """Make a token as the website's page does."""
        with self.office.work() as work:
            return api_tokens.create(
                work,
                Actor(Role.OWNER, account_id),
                "Program",
                scopes or tuple(Scope),
                server_id=server,
                days=days,
            )
