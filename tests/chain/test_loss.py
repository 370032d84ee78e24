"""Lost packets: a quarter of all between the registrar and those who follow it."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.registry.lookup import Standing
from tests.chain.chain import chain
from tests.chain.data import Data
from tests.chain.networks import Line, skip_without_namespaces
from tests.peers.dns_peer import skip_without

pytestmark = [
    pytest.mark.peer,
    pytest.mark.namespaces,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]
PERCENT = 25


def test_all_decisions_of_a_burst_arrive_over_a_line_that_loses_packets(
    data: Data, tmp_path: Path
) -> None:
    skip_without_namespaces()
    skip_without("knotd", "knotc", "nsd", "named")
    with Line() as line, chain(data, tmp_path, home=line.home, away=line.away) as running:
        registrar = running.registrar
        for kind in ("knot", "nsd", "bind"):
            running.add_server(kind)
        running.add_replica("replica")
        running.wait_until_equal()
        line.lose(PERCENT)
        for decide in (registrar.suspend, registrar.reinstate, registrar.suspend):
            for server, _ in registrar.lively:
                decide(server)
                registrar.settled()
        # The last decision of all was made a moment ago.
        lags = running.wait_for(registrar.lively[-1][1], Standing.SUSPENDED)
        for _, hostname in registrar.lively:
            running.wait_for(hostname, Standing.SUSPENDED)
        lost = line.lost()
        print({name: round(lag, 3) for name, lag in lags.items()}, f"packets lost: {lost}")
        running.wait_until_equal()
        assert line.lost() >= 20
        # The zone whole, too: by one who begins now.
        running.add_replica("late")
        running.wait_until_equal()
