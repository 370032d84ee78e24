"""Leaving the registry: not while it is being decided whether a server is struck off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from countersign.registrar.operations import applications, deregistration
from countersign.registrar.operations.office import OperationError
from countersign.rules.life_cycle import State
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury
from tests.registrar.operations.test_sanctions import do

if TYPE_CHECKING:
    from countersign.registrar.operations.office import Office


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
