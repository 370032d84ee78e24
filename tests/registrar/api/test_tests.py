"""Relay tests and the proof of control, by the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from countersign.protocol.control import control_text
from countersign.registrar.operations.office import Office
from tests.registrar.api.programs import Desk, good, refused
from tests.registrar.operations import life, treasury
from tests.registrar.operations.test_control import make_cleared
from tests.registrar.reports import differing, end_with

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_test_is_given_with_perspectives_findings_decision_and_advice(
    desk: Desk, office: Office
) -> None:
    server_id = life.make_screened(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    where = f"/servers/{server_id}/tests"
    (waiting,) = good(program.get(where)).json()["items"]
    assert good(program.get(f"{where}/{waiting['id']}")).json()["report"] is None
    run = end_with(office, server_id, differing(office))
    (listed,) = good(program.get(where)).json()["items"]
    assert (listed["verdict"], listed["differs"]) == ("failed", True)
    assert "report" not in listed
    answer = good(program.get(f"{where}/{run}"))
    told = answer.json()["report"]
    assert told["decision"] == {"verdict": "failed", "differs": True}
    assert [(one["label"], one["seen"]) for one in told["perspectives"]] == [
        ("A", "proven"),
        ("B", "passed"),
        ("C", "nothing"),
    ]
    assert told["perspectives"][2]["result"] is None
    finding = next(one for one in told["findings"] if one["name"] == "relay-percent")
    assert (finding["verdict"], finding["differs"]) == ("failed", True)
    assert {one["perspective"]: one["verdict"] for one in finding["seen"]} == {
        "A": "failed",
        "B": "passed",
    }
    assert finding["advice"]["why"]
    assert set(finding["advice"]["fix"]) == {"postfix", "exim", "exchange", "sendmail"}
    again = {"If-None-Match": answer.headers["ETag"]}
    assert program.get(f"{where}/{run}", headers=again).status_code == 304
    other = life.make_screened(office)
    refused(program.get(f"/servers/{other}/tests/{run}"), 404)


def test_control_is_read_and_looked_for(desk: Desk, office: Office, clock: Clock) -> None:
    server_id = make_cleared(office)
    program = desk.program(treasury.server_of(office, server_id).owner_id)
    where = f"/servers/{server_id}/control"
    told = good(program.get(where)).json()
    assert told["dns_text"] == control_text(told["token"])
    assert (told["proven_at"], told["method"], told["seen"]) == (None, "", "")
    asked = good(program.post(where), 202).json()
    assert asked["is_being_looked_for"]
    refused(program.post(where), 422, "wait")
    refused(program.post(f"/servers/{server_id}/tests"), 422, "control")
    draft = life.make_draft(office)
    assert good(
        desk.program(treasury.server_of(office, draft).owner_id).get(f"/servers/{draft}/control")
    ).json()["token"]
