"""Leaving the registry: of one's own will, after a long lapse, or struck off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from countersign.registrar.operations import applications, deregistration, fees
from countersign.registrar.operations.lapsed import end_lapsed
from countersign.registrar.operations.office import OperationError
from countersign.rules.life_cycle import State
from countersign.storage.database.money import Purpose
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury
from tests.registrar.operations.test_sanctions import do, strike_off

if TYPE_CHECKING:
    from countersign.registrar.operations.office import Office
    from tests.registrar.conftest import Clock


def withdraw(office: Office, server_id: int) -> None:
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        applications.withdraw(work, treasury.owner_of(work, server), server)


def test_nobody_leaves_while_it_is_decided_whether_he_is_struck_off(office: Office) -> None:
    server_id = treasury.make_active(office)
    do(office, deregistration.propose_deregistration, server_id, reason="Repeated spam.")
    with pytest.raises(OperationError, match="struck off"):
        withdraw(office, server_id)
    do(office, deregistration.drop_deregistration, server_id, "It was another server.")
    withdraw(office, server_id)
    assert treasury.state_of(office, server_id) is State.WITHDRAWN


def make_lapsed(office: Office, clock: Clock) -> int:
    server_id = treasury.make_active(office)
    clock.advance(days=400)
    assert fees.lapse(office).done == 1
    return server_id


def test_a_host_name_is_free_a_year_after_its_registration_lapsed(
    office: Office, clock: Clock
) -> None:
    server_id = make_lapsed(office, clock)
    clock.advance(days=365)
    assert end_lapsed(office).done == 0
    clock.advance(days=1)
    assert end_lapsed(office).done == 1
    assert end_lapsed(office).done == 0
    assert treasury.state_of(office, server_id) is State.WITHDRAWN
    assert treasury.balances(office, server_id)[Purpose.REFUND_DUE] == treasury.BOND
    treasury.check_ledger(office)


def test_a_lapsed_server_can_be_struck_off(office: Office, clock: Clock) -> None:
    server_id = make_lapsed(office, clock)
    strike_off(office, server_id)
    assert treasury.state_of(office, server_id) is State.DEREGISTERED
    assert treasury.balances(office, server_id)[Purpose.REFUND_DUE] == treasury.BOND
