"""A server becomes active when the last thing that it waited for is asked for no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from countersign.registrar.domain_age import Found
from countersign.registrar.operations.domain_ages import record_finding
from countersign.rules.life_cycle import State
from countersign.storage.database.money import InvoiceKind
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury

if TYPE_CHECKING:
    from countersign.registrar.operations.office import Office


def test_a_domain_found_to_be_old_ends_the_wait_for_the_bond(office: Office) -> None:
    server_id = treasury.make_offered(office, registered_on=None)
    treasury.accept_contract(office, server_id)
    treasury.pay(office, treasury.open_invoice(office, server_id, InvoiceKind.FEE))
    assert treasury.state_of(office, server_id) is State.OFFERED
    with office.work() as work:
        found = Found("muller.com.au", treasury.OLD, "https://rdap.example/domain/x", ())
        record_finding(work, work.session.get_one(Server, server_id), found)
    assert treasury.state_of(office, server_id) is State.ACTIVE
