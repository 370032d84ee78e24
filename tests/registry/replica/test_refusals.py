"""Where a replica must not be led: backwards, down in small steps, into silence."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from countersign.registry.copy.errors import DamagedCopyError
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.replica import puller, shrinking
from countersign.registry.replica.faults import Fault, LostCopyError, ReplicaError, ShrunkError
from countersign.registry.replica.line import Bounds, Line, Stopper
from countersign.registry.replica.notes import ACCEPT_SHRINK, RESET, give_word
from countersign.registry.replica.shrinking import PEAK_SECONDS, check_shrinking, peak_after
from countersign.registry.transfer.sending import whole_zone
from countersign.registry.zone.names import APEX
from tests.gateway.world import fresh_address
from tests.registry.replica.running import configured, primary, replica
from tests.registry.replica.test_hostile import PRIMARY, Heard, notify
from tests.registry.replica.zones import NAME, Zone

Records = Iterator[tuple[bytes, bytes]]


async def test_a_transfer_that_brings_an_older_zone_than_the_copy_is_refused(
    tmp_path: Path,
) -> None:
    """Behind one address there may be several servers, one of which stands still."""
    zone, old = Zone(serial=500), Zone(serial=400)
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        before = kept.nodes()
        source.tamper = lambda _: iter([(APEX, old.soa)])
        zone.register("new.example.net")
        await kept.until_error("newer serial, and has 400")
        assert kept.nodes() == before
        assert set(source.transfers[1:]) == {"ixfr"}
        source.tamper = lambda records: records
        await kept.until_equal(zone)


async def test_a_whole_zone_that_is_older_is_taken_at_an_operators_word_only(
    tmp_path: Path,
) -> None:
    zone, old = Zone(serial=500), Zone(serial=400)
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)

        def of_another_server(records: Records) -> Records:
            # Changes that do not fit, so that the whole zone is asked for.
            if source.transfers[-1] == "ixfr":
                kept_records = list(records)
                return iter([*kept_records[:2], *kept_records[3:]])
            return whole_zone(old.soa, sorted(old.nodes.items()))

        source.tamper = of_another_server
        zone.register("new.example.net")
        await kept.until_error("400, which is older")
        meta = kept.meta()
        assert meta is not None
        assert meta.serial == 500
        give_word(kept.config.directory, RESET, {})
        await kept.until_equal(old)


def test_small_losses_in_a_row_are_refused_like_a_great_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1e9
    monkeypatch.setattr(shrinking.time, "time", lambda: now)

    def shrink(before: CopyMeta, records: int, accepted: int | None = None) -> CopyMeta:
        check_shrinking(1, before, records, accepted=accepted, share=0.2)
        peak = peak_after(before, records, accepted=accepted)
        return replace(before, records=records, peak_records=peak.records, peak_at=peak.at)

    meta = shrink(CopyMeta(NAME, 1, 1000, b"", 0.0, 0.0), 900)
    meta = shrink(meta, 800)
    with pytest.raises(ShrunkError, match="799 records of the 1000"):
        shrink(meta, 799)
    # What an operator has accepted is what it is held to from then on.
    assert shrink(shrink(meta, 700, accepted=700), 560).records == 560
    with pytest.raises(ShrunkError):
        shrink(shrink(meta, 700, accepted=700), 559)
    # Growth moves the mark up, and its age is counted from when it was there last.
    now += PEAK_SECONDS - 1
    grown = shrink(meta, 1200)
    now += PEAK_SECONDS - 1
    with pytest.raises(ShrunkError):
        shrink(grown, 900)
    now += 2
    assert shrink(grown, 960).records == 960
    assert shrink(meta, 640).records == 640
    # A mark of a time to come is of a clock that was set back since.
    now = 1e9 - 1000
    assert shrink(meta, 640).records == 640


async def test_what_the_zone_had_of_late_is_kept_with_the_copy(tmp_path: Path) -> None:
    zone = Zone(hosts=60)
    async with primary(zone) as source:
        config = configured(tmp_path, [source.endpoint])
        async with replica(config) as kept:
            await kept.until_equal(zone)
            most = zone.records
            zone.remove(*(f"mail{number}.example.org" for number in range(10)))
            await kept.until_equal(zone)
        async with replica(config) as kept:
            zone.remove(*(f"mail{number}.example.org" for number in range(10, 20)))
            await kept.until_error("accept-shrink")
            assert f"the {most} " in kept.state().error
            give_word(config.directory, ACCEPT_SHRINK, {"records": zone.records})
            await kept.until_equal(zone)


async def test_a_silent_primary_does_not_keep_news_waiting(tmp_path: Path) -> None:
    zone = Zone()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, socket.socket() as listening:
        address = fresh_address()
        silent.bind((address, 0))
        listening.bind((address, silent.getsockname()[1]))
        listening.listen()
        silent_endpoint = f"{address}:{silent.getsockname()[1]}"
        async with primary(zone) as source:
            config = configured(
                tmp_path,
                [source.endpoint, silent_endpoint],
                question_timeout=60,
                survey_seconds=0.1,
            )
            async with replica(config) as kept:
                await kept.until_equal(zone)
                for _ in range(5):
                    started = time.monotonic()
                    zone.suspend("mail1.example.org")
                    await kept.until_equal(zone)
                    assert time.monotonic() - started < 30


async def test_a_notify_sent_again_and_again_costs_a_primary_little(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source:
        config = configured(tmp_path, [source.endpoint], poll_seconds=60)
        async with replica(config) as kept:
            await kept.until_equal(zone)
            before = kept.metric("questions_total", outcome="answered")
            ends = time.monotonic() + 1
            while time.monotonic() < ends:
                kept.puller.notified("127.0.0.1", zone.serial)
                await asyncio.sleep(0.001)
            asked = kept.metric("questions_total", outcome="answered") - before
            assert 2 <= asked <= 2 + 1 / puller.LEAST_SECONDS


def test_what_strangers_send_in_a_primarys_name_does_not_fill_the_log() -> None:
    heard = Heard()
    with capture_logs() as logs:
        for _ in range(50):
            heard.listener.answer(notify(None), PRIMARY)
    assert len(logs) == 1


async def test_a_copy_deleted_under_the_replica_ends_it_so_that_it_begins_anew(
    tmp_path: Path,
) -> None:
    zone = Zone()
    async with primary(zone) as source:
        config = configured(tmp_path, [source.endpoint])
        with pytest.raises(LostCopyError, match="deleted"):
            async with replica(config) as kept:
                await kept.until_equal(zone)
                shutil.rmtree(config.directory)
                zone.register("new.example.net")
                await kept.task
        async with replica(config) as kept:
            await kept.until_equal(zone)


async def test_a_copy_whose_file_is_damaged_is_deleted_and_transferred_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = Zone()

    def damaged(*_: object) -> CopyMeta:
        raise DamagedCopyError("a page is wrong")

    async with primary(zone) as source:
        config = configured(tmp_path, [source.endpoint], full_check_seconds=0.3)
        with monkeypatch.context() as patch, pytest.raises(LostCopyError, match="a page is wrong"):
            patch.setattr(puller, "check_whole", damaged)
            async with replica(config) as kept:
                await kept.until_equal(zone)
                await kept.task
        assert not (config.directory / "data.mdb").exists()
        async with replica(config) as kept:
            await kept.until_equal(zone)
        assert source.transfers == ["axfr", "axfr"]


async def test_a_confirmation_by_one_that_lost_its_primary_does_not_age_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from countersign.registry.transfer.answers import answer

    zone, late = Zone(), 0

    def some_time_later(question, soa, now):  # type: ignore[no-untyped-def]
        return answer(question, now, records=[soa], expire=zone.expire - late)

    monkeypatch.setattr("tests.registry.replica.primary.soa_answer", some_time_later)
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        late = 3600
        before = kept.metric("questions_total", outcome="answered")
        await kept.until(lambda: kept.metric("questions_total", outcome="answered") > before + 3)
        assert kept.metric("age_seconds") < 60


async def test_octets_that_drip_are_given_up_though_there_is_time() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"\1")
            await asyncio.sleep(0.02)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def read() -> None:
        with Line(endpoint, "", Bounds(60, 0.3, 1 << 30, least_rate=1000), Stopper()) as line:
            list(line.messages())

    try:
        with pytest.raises(ReplicaError, match="minimum_rate") as caught:
            await asyncio.to_thread(read)
        assert caught.value.fault is Fault.TOO_SLOW
    finally:
        server.close()


def test_a_connection_that_is_not_answered_ends_when_all_is_to_stop() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        # One that waits fills the queue: the kernel leaves the next one's SYN unanswered.
        endpoint = f"127.0.0.1:{listening.getsockname()[1]}"
        fillers = [socket.socket() for _ in range(3)]
        for one in fillers:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        stopper = Stopper()
        timer = threading.Timer(0.3, stopper.stop)
        timer.start()
        started = time.monotonic()
        bounds = Bounds(60, 20, 1 << 30)
        with pytest.raises(ReplicaError) as caught, Line(endpoint, "", bounds, stopper) as line:
            line.send(b"question")
        assert caught.value.fault is Fault.STOPPED
        assert time.monotonic() - started < 30
        timer.join()
        for one in fillers:
            one.close()
