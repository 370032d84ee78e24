"""Ten thousand changes in bursts, while everybody follows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from countersign.registry.lookup import Standing
from countersign.rules.life_cycle import State
from tests.chain.chain import Chain, chain
from tests.chain.data import Data, add_servers, change_many
from tests.peers.dns_peer import skip_without

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]
BURSTS, CHANGES = 10, 1000
SERVERS, GROUP = 4000, 500
"""A group is suspended while another is reinstated, so that the zone does not shrink much."""


def test_ten_thousand_changes_in_bursts_reach_everybody(data: Data, tmp_path: Path) -> None:
    skip_without("knotd", "knotc", "nsd", "named")
    with chain(data, tmp_path, before=lambda office: add_servers(office, SERVERS, "burst")) as (
        running
    ):
        registrar = running.registrar
        for kind in ("knot", "nsd", "bind"):
            running.add_server(kind)
        replica = running.add_replica("replica")
        running.wait_until_equal()
        keys = registrar.servers("burst")
        assert len(keys) == SERVERS
        first = len(registrar.versions())
        began = time.monotonic()
        groups = [keys[begin : begin + GROUP] for begin in range(0, SERVERS, GROUP)]
        for burst in range(BURSTS):
            suspended = {"state": State.SUSPENDED, "public_reason": f"Spam no. {burst} was sent."}
            active = {"state": State.ACTIVE, "public_reason": ""}
            for number, columns in ((burst, suspended), (burst - 1, active)):
                chosen = groups[number % len(groups)]
                for begin in range(0, GROUP, 50):
                    change_many(registrar.office, chosen[begin : begin + 50], **columns)
            # Each burst makes a version of its own at the least; nobody waits for the followers.
            registrar.settled()
        changed = time.monotonic()
        # The last word of all: who says it has all before it.
        registrar.suspend(registrar.lively[0][0])
        lags = running.wait_for(registrar.lively[0][1], Standing.SUSPENDED)
        running.wait_until_equal()
        print(
            f"{BURSTS * CHANGES:,} changes in {changed - began:.1f} s: "
            f"{len(registrar.versions()) - first} versions; "
            f"equal {time.monotonic() - changed:.1f} s after; transfers {_transfers(running)}; "
            f"lags of the last one { {name: round(lag, 2) for name, lag in lags.items()} }"
        )
        assert len(registrar.versions()) - first >= BURSTS
        assert replica.count("zone taken") >= 2


def _transfers(running: Chain) -> dict[str, str]:
    """How many transfers of each kind everybody took."""
    return {
        name: f"{kinds.count('axfr')} whole, {kinds.count('ixfr')} of changes"
        for name in running.followers
        for kinds in [running.transfers(name)]
    }
