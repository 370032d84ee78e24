"""What /metrics says of the zone and its secondaries."""

from __future__ import annotations

import datetime

import pytest
from prometheus_client import CollectorRegistry

from countersign.registrar.operations.office import Office
from countersign.registrar.primary.metrics import PrimaryMetrics, ZoneCollector
from countersign.registrar.primary.states import State
from countersign.registrar.primary.storing import load_states, store_states
from countersign.registrar.publishing.publisher import ensure_published, publish
from tests.registrar.primary.running import add_secondary
from tests.registrar.publishing.making import add_server, change


def test_lag_is_told_by_the_secondary_s_name(office: Office, clock: object) -> None:
    ensure_published(office)
    first, _ = add_secondary(office, "frankfurt")
    add_secondary(office, "unseen")
    registry = CollectorRegistry()
    registry.register(ZoneCollector(office))
    with office.work() as work:
        serial = registry.get_sample_value("countersign_zone_serial")
        assert serial is not None
        store_states(work, {first: State(serial=int(serial))}, {})
    for number in range(3):
        clock.advance(seconds=10)  # type: ignore[attr-defined]
        server = add_server(office, f"mx{number}.example.org")
        change(office, server, public_reason="")
        publish(office)
    labels = {"secondary": "frankfurt"}
    assert registry.get_sample_value("countersign_secondary_lag_versions", labels) == 3
    assert registry.get_sample_value("countersign_secondary_lag_seconds", labels) == 20
    assert registry.get_sample_value("countersign_zone_records") is not None
    assert (
        registry.get_sample_value("countersign_secondary_lag_versions", {"secondary": "unseen"})
        is None
    )


def test_states_and_the_use_of_keys_are_stored_and_read_again(office: Office) -> None:
    first, key = add_secondary(office, "frankfurt")
    second, _ = add_secondary(office, "geneva")
    now = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=datetime.UTC)
    states = {
        first: State(serial=4_000_000_000, serial_at=now, transfer="axfr", octets=10**12),
        second: State(error="x" * 255, error_at=now),
    }
    with office.work() as work:
        store_states(work, states, {key.name: now, "unknown.example": now})
    states[first].behind_since = now
    with office.work() as work:
        store_states(work, {first: states[first]}, {key.name: now - datetime.timedelta(hours=1)})
    with office.reading() as work:
        assert load_states(work) == states
        from countersign.registrar.operations.secondary_keys import keys_of

        [row] = keys_of(work, first)
        assert row.used_at == now


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_counters_are_apart_by_kind_and_outcome(office: Office) -> None:
    metrics = PrimaryMetrics()
    metrics.transfer("axfr", "sent", 1000)
    metrics.transfer("axfr", "aborted", 10)
    metrics.transfer("ixfr", "sent", 5)
    value = metrics.registry.get_sample_value
    sent = {"kind": "axfr", "outcome": "sent"}
    assert value("countersign_primary_transfers_total", sent) == 1
    assert value("countersign_primary_transfer_octets_total", {"kind": "axfr"}) == 1010
