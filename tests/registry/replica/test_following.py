"""A replica follows its primaries, by the whole and by changes, and takes nothing wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.registry.lookup import Standing
from countersign.registry.replica.notes import ACCEPT_SHRINK, RESET, give_word
from countersign.registry.replica.puller import BROKEN_CHANGES
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.zone.digest import SIMPLE, SUM
from countersign.registry.zone.names import APEX, host_key
from countersign.registry.zone.records import text_record
from tests.gateway.world import fresh_address
from tests.registry.replica.running import KEY, configured, primary, replica
from tests.registry.replica.zones import Zone

Records = Iterator[tuple[bytes, bytes]]


async def test_it_takes_the_zone_whole_and_then_follows_its_changes(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        zone.register("new.example.net")
        zone.suspend("mail1.example.org")
        zone.remove("mail0.example.org")
        await kept.until_equal(zone)
        assert source.transfers == ["axfr", "ixfr"]
        meta = kept.meta()
        assert meta is not None
        assert meta.records == zone.records
        assert meta.source == source.endpoint
        await kept.until(lambda: kept.metric("serial") == zone.serial)
        assert kept.metric("transfers_total", kind="ixfr", outcome="taken") == 1
        assert kept.metric("lag_seconds_count") == 1
        assert kept.metric("age_seconds") < 5
        assert not kept.state().error


async def test_notify_is_applied_without_waiting_for_the_next_question(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source:
        # Nothing but NOTIFY tells it.
        config = configured(tmp_path, [source.endpoint], poll_seconds=60)
        async with replica(config) as kept:
            [heard] = await kept.listener.start(["127.0.0.1:0"])
            await kept.until_equal(zone)
            for number in range(5):
                zone.suspend(f"mail{number % 3}.example.org")
                started = time.monotonic()
                answer = await source.notify(heard)
                assert int.from_bytes(answer[2:4], "big") & 0xF80F == 0xA000
                await kept.until_equal(zone)
                assert time.monotonic() - started < 30
                await kept.until(lambda: kept.state().lag > 0)
            assert kept.metric("notifies_total", outcome="taken") == 5


async def test_notify_of_strangers_and_with_other_keys_is_not_heard(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source:
        config = configured(tmp_path, [source.endpoint], poll_seconds=60)
        async with replica(config) as kept:
            [heard] = await kept.listener.start(["127.0.0.1:0"])
            await kept.until_equal(zone)
            for key in (TsigKey.generate("another"), TsigKey.generate(KEY.name)):
                answer = await source.notify(heard, key)
                # NOTAUTH.
                assert int.from_bytes(answer[2:4], "big") & 15 == 9
            async with primary(zone, address=fresh_address()) as stranger:
                with pytest.raises(TimeoutError):
                    await stranger.notify(heard)
            assert kept.metric("notifies_total", outcome="bad") == 2
            assert kept.metric("notifies_total", outcome="stranger") == 1
            assert kept.metric("notifies_total", outcome="taken") == 0


async def test_a_journal_that_was_cut_leads_to_the_whole_zone(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        zone.register("new.example.net")
        zone.steps.clear()
        await kept.until_equal(zone)
        # It asked for changes, and was given the zone.
        assert source.transfers == ["axfr", "ixfr"]
        assert kept.metric("transfers_total", kind="axfr", outcome="taken") == 2


async def test_changes_that_do_not_fit_the_copy_lead_to_the_whole_zone(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)

        def without_removals(records: Records) -> Records:
            if source.transfers[-1] == "axfr":
                yield from records
            for key, record in records:
                yield key, record
                if key != APEX:
                    # There already.
                    yield host_key("mail0.example.org"), record

        source.tamper = without_removals
        zone.register("new.example.net")
        await kept.until_equal(zone)
        assert source.transfers == ["axfr", "ixfr", "axfr"]
        assert kept.metric("transfers_total", kind="ixfr", outcome="diverged") + kept.metric(
            "transfers_total", kind="ixfr", outcome="digest"
        )


def tampered(records: Records) -> Records:
    """Puts a server into the zone that the registrar did not."""
    begun = False
    for key, record in records:
        yield key, record
        if key != APEX and not begun:
            begun = True
            yield host_key("spammer.example"), text_record(300, "v=countersign1")


async def test_data_of_another_digest_are_refused_though_the_key_is_right(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        before = kept.nodes()
        source.tamper = tampered
        zone.register("new.example.net")
        await kept.until_error("is not what its digest")
        await kept.until(lambda: source.transfers.count("axfr") >= 3)
        assert kept.nodes() == before
        assert kept.metric("fault") == 1
        assert "ixfr" in source.transfers
        # Nothing is confirmed as long as there is something newer that cannot be taken.
        source.tamper = lambda records: records
        await kept.until_equal(zone)
        await kept.until(lambda: not kept.state().error)
        assert "is not what its digest" in kept.state().last_error


@pytest.mark.parametrize("digests", [(SUM,), (SIMPLE,)])
async def test_either_digest_alone_protects(tmp_path: Path, digests: tuple[int, ...]) -> None:
    zone = Zone(digests=digests)
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        zone.register("new.example.net")
        await kept.until_equal(zone)
        source.tamper = tampered
        zone.register("other.example.net")
        await kept.until_error("is not what its digest")


async def test_a_zone_without_digest_is_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    zone = Zone(digests=())
    async with primary(zone) as source:
        async with replica(configured(tmp_path, [source.endpoint])) as kept:
            await kept.until_error("carries no digest")
            assert kept.meta() is None
        config = configured(tmp_path, [source.endpoint], require_digest=False)
        async with replica(config) as kept:
            await kept.until_equal(zone)


@pytest.mark.parametrize("key", [TsigKey.generate("another"), TsigKey.generate(KEY.name)])
async def test_a_wrong_key_gets_nothing_and_says_so(tmp_path: Path, key: TsigKey) -> None:
    zone = Zone()
    config = configured(tmp_path, [])
    async with primary(zone) as source:
        config = configured(tmp_path, [source.endpoint])
        async with replica(config, key) as kept:
            await kept.until_error("not proven")
            assert kept.meta() is None
            assert source.transfers == []


async def test_a_zone_that_shrinks_is_refused_until_an_operator_says_otherwise(
    tmp_path: Path,
) -> None:
    zone = Zone(hosts=60)
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        before = kept.nodes()
        zone.remove(*(f"mail{number}.example.org" for number in range(30)))
        await kept.until_error("accept-shrink")
        assert kept.nodes() == before
        shrink = kept.state().shrink
        assert shrink is not None
        assert (shrink.serial, shrink.after) == (zone.serial, zone.records)
        # The whole zone is not asked for: it would have shrunk as well.
        assert "axfr" not in source.transfers[1:]
        give_word(kept.config.directory, ACCEPT_SHRINK, {"records": shrink.after})
        await kept.until_equal(zone)
        await kept.until(lambda: kept.state().shrink is None)
        # The word was for once.
        zone.remove(*(f"mail{number}.example.org" for number in range(30, 50)))
        zone.records < 100 or await kept.until_error("accept-shrink")


async def test_a_small_zone_may_lose_its_last_servers(tmp_path: Path) -> None:
    zone = Zone(hosts=3)
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        zone.remove(*(f"mail{number}.example.org" for number in range(3)))
        await kept.until_equal(zone)


async def test_a_serial_that_went_backward_is_not_followed_without_a_word(tmp_path: Path) -> None:
    zone = Zone(serial=500)
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        before = kept.nodes()
        restored = source.zone = Zone(serial=400)
        restored.register("new.example.net")
        await kept.until_error("are older")
        assert kept.nodes() == before
        assert kept.state().behind_since > 0
        give_word(kept.config.directory, RESET, {})
        await kept.until_equal(restored)
        await kept.until(lambda: kept.state().behind_since == 0)
        restored.register("another.example.net")
        await kept.until_equal(restored)
        assert source.transfers == ["axfr", "axfr", "ixfr"]


async def test_serials_go_around_the_circle(tmp_path: Path) -> None:
    zone = Zone(serial=2**32 - 2)
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        zone.publish(zone.host("new.example.net", Standing.REGISTERED), serial=2**32 - 1)
        zone.publish(zone.host("new.example.net", Standing.SUSPENDED), serial=3)
        await kept.until_equal(zone)


async def test_the_other_primary_serves_when_one_is_gone_behind_or_silent(tmp_path: Path) -> None:
    zone, old = Zone(), Zone()
    async with (
        primary(zone) as one,
        primary(old, address=fresh_address()) as other,
        replica(configured(tmp_path, [one.endpoint, other.endpoint])) as kept,
    ):
        await kept.until_equal(zone)
        # The first, which served so far, stands still; a survey finds what the second has.
        newer = other.zone = Zone()
        newer.register("new.example.net")
        await kept.until_equal(newer)
        await kept.until(lambda: kept.state().primary == other.endpoint)
        await other.stop()
        await kept.until_error(other.endpoint)
        one.zone = newer
        newer.register("third.example.net")
        await kept.until_equal(newer)
        await other.start()


async def test_a_bad_primary_does_not_keep_a_good_one_from_serving(tmp_path: Path) -> None:
    zone = Zone()
    async with (
        primary(zone) as bad,
        primary(zone, address=fresh_address()) as good,
        replica(configured(tmp_path, [bad.endpoint, good.endpoint])) as kept,
    ):
        bad.tamper = tampered
        await kept.until_equal(zone)
        assert kept.state().primary == good.endpoint or kept.meta().source == good.endpoint  # type: ignore[union-attr]


async def test_the_last_good_copy_stays_when_the_primary_is_gone_and_its_age_grows(
    tmp_path: Path,
) -> None:
    zone = Zone()
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)
        confirmed = kept.meta()
        await source.stop()
        await kept.until_error("cannot be reached")
        await kept.until(lambda: kept.metric("age_seconds") > 0.5)
        meta = kept.meta()
        assert meta is not None and confirmed is not None
        assert meta.checked_at - confirmed.checked_at < 0.5
        await source.start()
        zone.register("new.example.net")
        await kept.until_equal(zone)
        await kept.until(lambda: kept.metric("age_seconds") < 0.5)


async def test_a_chain_of_secondaries_does_not_hide_how_old_the_zone_is(tmp_path: Path) -> None:
    """RFC 7314: a secondary that lost its own primary says for how long its copy is good."""
    import tests.registry.replica.primary as served

    zone = Zone()
    async with primary(zone) as source:

        def an_hour_later(question, soa, now):  # type: ignore[no-untyped-def]
            from countersign.registry.transfer.answers import answer

            return answer(question, now, records=[soa], expire=zone.expire - 3600)

        kept_answer, served.soa_answer = served.soa_answer, an_hour_later
        try:
            async with replica(configured(tmp_path, [source.endpoint])) as kept:
                await kept.until_equal(zone)
                await kept.until(lambda: kept.metric("age_seconds") > 0)
                assert 3599 < kept.metric("age_seconds") < 3610
        finally:
            served.soa_answer = kept_answer


async def test_a_primary_that_answers_over_tcp_only_serves(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source:
        source.answers_udp = False
        async with replica(configured(tmp_path, [source.endpoint])) as kept:
            await kept.until_equal(zone)


async def test_a_transfer_that_breaks_off_changes_nothing_and_is_tried_again(
    tmp_path: Path,
) -> None:
    zone = Zone(hosts=2000)
    async with primary(zone) as source:
        source.break_after = 3
        async with replica(configured(tmp_path, [source.endpoint])) as kept:
            await kept.until_error("closed the connection")
            assert kept.meta() is None
            source.break_after = None
            await kept.until_equal(zone)


async def test_a_transfer_is_bounded_in_time_octets_and_records(tmp_path: Path) -> None:
    zone = Zone(hosts=2000)
    async with primary(zone) as source:
        for setting, text in (
            ({"max_octets": 65536}, "max_octets"),
            ({"max_records": 100}, "max_records"),
            ({"transfer_timeout": 0.3}, "transfer_timeout"),
            ({"idle_timeout": 0.1}, "in time"),
        ):
            source.pause = 0.2 if "timeout" in next(iter(setting)) else 0
            async with replica(configured(tmp_path, [source.endpoint], **setting)) as kept:
                await kept.until_error(text)
                assert kept.meta() is None


async def test_changes_that_break_off_each_time_are_given_up_for_the_whole_zone(
    tmp_path: Path,
) -> None:
    zone = Zone()
    async with primary(zone) as source, replica(configured(tmp_path, [source.endpoint])) as kept:
        await kept.until_equal(zone)

        def break_changes(records: Records) -> Records:
            if source.transfers[-1] == "ixfr":
                raise ConnectionError
            return records

        source.tamper = break_changes
        zone.suspend("mail1.example.org")
        await kept.until_equal(zone)
        assert source.transfers == ["axfr", *["ixfr"] * BROKEN_CHANGES, "axfr"]
        # And after it the changes are tried again.
        source.tamper = lambda records: records
        zone.register("mail1.example.org")
        await kept.until_equal(zone)
        assert source.transfers[-1] == "ixfr"


async def test_it_stops_at_once_in_the_middle_of_a_transfer(tmp_path: Path) -> None:
    zone = Zone(hosts=2000)
    async with primary(zone) as source:
        source.pause = 60
        async with replica(configured(tmp_path, [source.endpoint])) as kept:
            await kept.until(lambda: bool(source.transfers))
            await asyncio.sleep(0.1)
            started = time.monotonic()
            kept.stop.set()
            await kept.task
            assert time.monotonic() - started < 30


async def test_a_copy_that_was_damaged_is_noticed_and_taken_anew(tmp_path: Path) -> None:
    zone = Zone()
    async with primary(zone) as source:
        config = configured(tmp_path, [source.endpoint], full_check_seconds=0.3)
        async with replica(config) as kept:
            await kept.until_equal(zone)
            from countersign.registry.copy.store import ZoneCopy

            with ZoneCopy.open(config.directory, writable=True) as copy:
                environment = copy._environment
                with environment.writing() as transaction:
                    stored = environment.stored_meta(transaction)
                    assert stored is not None
                    key = host_key("mail1.example.org")
                    table = environment.tables()[stored.table]
                    transaction.put(key, transaction.get(key, db=table)[:-1] + b"!", db=table)
            await kept.until(lambda: kept.metric("checks_total", outcome="bad") == 1)
            await kept.until(lambda: kept.nodes() == zone.nodes)
            assert source.transfers == ["axfr", "axfr"]
            await kept.until(lambda: kept.metric("checks_total", outcome="good") > 0)


async def test_a_second_replica_of_one_directory_is_refused(tmp_path: Path) -> None:
    from countersign.registry.replica.faults import ReplicaError

    zone = Zone()
    async with primary(zone) as source:
        config = configured(tmp_path, [source.endpoint])
        async with replica(config) as kept:
            await kept.until_equal(zone)
            with pytest.raises(ReplicaError, match="another process keeps the copy"):
                async with replica(config) as second:
                    await second.task
