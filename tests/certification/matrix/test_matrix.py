"""What comes of real servers in known states, each tested from three networks."""

from __future__ import annotations

import asyncio

import pytest

from countersign.certification.outcome import Verdict
from tests.certification.matrix.conftest import ROWS
from tests.certification.matrix.running import Row, run_matrix
from tests.certification.matrix.states import STATES
from tests.peers.exim import skip_without_exim
from tests.peers.opensmtpd import skip_without_opensmtpd
from tests.peers.postfix import skip_without_postfix

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def rows(pytestconfig: pytest.Config) -> dict[str, Row]:
    skip_without_postfix()
    skip_without_exim()
    skip_without_opensmtpd()
    made = asyncio.run(run_matrix(STATES))
    pytestconfig.stash[ROWS] = made
    return {row.state.name: row for row in made}


@pytest.mark.parametrize("name", [state.name for state in STATES])
def test_a_server_is_judged_as_its_state_is(rows: dict[str, Row], name: str) -> None:
    row = rows[name]
    state = row.state
    assert row.report.verdict is state.expected, (row.failed, row.undecided)
    assert not state.seen or row.seen == state.seen
    assert state.failed <= set(row.failed)


def test_no_open_relay_passes_and_no_closed_server_fails(rows: dict[str, Row]) -> None:
    seen = {(row.state.expected, row.report.verdict) for row in rows.values()}
    assert (Verdict.FAILED, Verdict.PASSED) not in seen
    assert (Verdict.PASSED, Verdict.FAILED) not in seen
    assert {Verdict.PASSED, Verdict.FAILED, Verdict.COULD_NOT_TEST} == {one for one, _ in seen}


def test_a_server_that_relays_for_one_network_is_flagged(rows: dict[str, Row]) -> None:
    row = rows["Postfix, mynetworks holds A's range"]
    assert row.report.decision.differs
    assert [one.differs for one in row.report.findings() if one.name == "relay-from-foreign"] == [
        True
    ]


def test_a_probe_that_is_blocked_neither_passes_nor_fails_the_server(rows: dict[str, Row]) -> None:
    row = rows["Postfix, blocks A"]
    assert row.seen == "-pp"
    assert not row.report.decision.differs
