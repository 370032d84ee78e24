"""The API does what its document says: Schemathesis asks it all manner of things."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, from_schema
from schemathesis.engine.events import (
    FatalError,
    NonFatalError,
    PhaseFinished,
    ScenarioFinished,
)
from schemathesis.engine.run import PhaseName
from starlette.types import ASGIApp, Receive, Scope, Send

from countersign.registrar.operations.office import Office
from countersign.rules.roles import Role
from tests.registrar.api.programs import Desk
from tests.registrar.operations import life, treasury

GOOD_KEY = re.compile(rb"[!-~]{1,200}\Z")
PLACE = "/api/v1/openapi.json"
EXAMPLES = 12
"""Of each operation and way of asking; besides those that go through every border."""


@pytest.fixture
def open_desk(office: Office) -> Desk:
    """The API under the name that Schemathesis calls it by, without a limit of requests."""
    security = office.config.security.model_copy(update={"requests_per_minute": 10**9})
    changes = {"url": "https://testserver", "security": security}
    return Desk(dataclasses.replace(office, config=office.config.model_copy(update=changes)))


def always(dictionary: str) -> dict[str, Any]:
    """Return the setting by which an operation is about certain servers."""
    return {"parameters": {"path.server": {"dictionary": dictionary, "probability": 0.95}}}


@pytest.fixture
def config(open_desk: Desk) -> SchemathesisConfig:
    """How it asks: as an owner and agent, often about what there is."""
    office = open_desk.office
    owner = life.make_account(office, life.OWNER_EMAIL, Role.AGENT)
    active = treasury.make_trusted(office, owner=owner)
    offered = treasury.make_offered(office, owner=owner)
    sponsorship = treasury.ask(office, treasury.make_offered(office), active)
    servers = [active, offered, life.make_draft(office, owner=owner)]
    given_up = [life.make_draft(office, owner=owner, complete=False) for _ in range(3)]
    return SchemathesisConfig.from_dict(
        {
            "seed": 20260302,
            "headers": {"Authorization": f"Bearer {open_desk.token(owner)}"},
            "generation": {
                "max-examples": EXAMPLES,
                "deterministic": True,
                "database": "none",
                "no-shrink": True,
            },
            "dictionaries": {
                "servers": {"values": servers},
                "active": {"values": [active]},
                "offered": {"values": [offered]},
                "given-up": {"values": given_up},
                "sponsorships": {"values": [sponsorship]},
                "countries": {"values": ["AU"]},
                "anything": {"values": ["*"]},
            },
            "parameters": {
                "path.server": {"dictionary": "servers", "probability": 0.8},
                "path.sponsorship": {"dictionary": "sponsorships", "probability": 0.5},
                "path.country": {"dictionary": "countries", "probability": 0.5},
                "header.If-Match": {"dictionary": "anything", "probability": 0.5},
            },
            "operations": [
                {"include-operation-id": "withdraw", **always("given-up")},
                {"include-operation-id": ["ask_sponsor", "withdraw_question"], **always("offered")},
                {"include-tag": ["Gateways", "Offenders"], **always("active")},
            ],
            "checks": {
                # Of the form that is described: taken, or refused by the rules; but never 400.
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "304", "401", "403", "404", "409", "412", "422"]
                },
                # Of another form: 400 and nothing else, unless it is about nothing that there is.
                "negative_data_rejection": {
                    "expected-statuses": ["400", "401", "403", "404", "405", "413"]
                },
                "missing_required_header": {"expected-statuses": ["400", "401"]},
            },
        }
    )


def with_unique_keys(app: ASGIApp) -> ASGIApp:
    """Let no good idempotency key arrive twice: it would be a repetition, or another request."""
    count = itertools.count(1)

    async def passed_on(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [
                (name, value + b"%d" % next(count) if _is_good_key(name, value) else value)
                for name, value in scope["headers"]
            ]
            scope = {**scope, "headers": headers}
        await app(scope, receive, send)

    return passed_on


def _is_good_key(name: bytes, value: bytes) -> bool:
    return name.lower() == b"idempotency-key" and GOOD_KEY.match(value) is not None


def failures_of(schema: Any) -> Iterator[str]:
    """Run all phases with all checks; return each failure in words, with the request."""
    phases = set()
    for event in from_schema(schema).execute():
        if isinstance(event, PhaseFinished) and event.status is not Status.SKIP:
            phases.add(event.phase.name)
        elif isinstance(event, NonFatalError | FatalError):
            yield f"Schemathesis itself failed: {event}"
        elif isinstance(event, ScenarioFinished):
            yield from _failures_in(event)
    assert phases >= {PhaseName.COVERAGE, PhaseName.FUZZING, PhaseName.STATEFUL_TESTING}


def _failures_in(event: ScenarioFinished) -> Iterator[str]:
    for case, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                request = event.recorder.interactions[case].request
                told = f"{request.method} {request.uri} {request.body!r}"
                yield f"{check.name}: {check.failure_info.failure}\n  {told}"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_does_what_its_document_says(open_desk: Desk, config: SchemathesisConfig) -> None:
    app = with_unique_keys(open_desk.app)
    schema = schemathesis.openapi.from_asgi(PLACE, app, config=config)
    failures = list(failures_of(schema))
    assert not failures, "\n".join(failures[:20])
