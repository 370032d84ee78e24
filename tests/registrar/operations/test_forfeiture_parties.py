"""Forfeitures and those beside the offender: its sponsors, and servers that it vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.registrar.operations import treasury
from tests.registrar.operations.test_money_forfeitures import forfeit

if TYPE_CHECKING:
    from countersign.registrar.operations.office import Office


def test_an_offence_of_a_sponsor_brings_a_new_look_at_those_it_vouches_for(office: Office) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    before = len(treasury.jobs(office, "review"))
    forfeit(office, trusted[0], 0)
    assert {"server": server_id} in treasury.jobs(office, "review")[before:]
