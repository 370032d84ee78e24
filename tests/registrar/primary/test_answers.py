"""What is answered to whom, as dnspython, dig and kdig see it."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator
from unittest import mock

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.tsig
import pytest

from countersign.registrar.operations import secondary_keys
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registry.transfer.keys import TsigKey
from tests.peers.dns_peer import skip_without
from tests.registrar.primary.running import (
    Running,
    add_secondary,
    eventually,
    keyring,
    real,
    records_of,
    rotate,
    running,
    serial_of,
    state_of,
)

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def primary(office: Office) -> AsyncIterator[Running]:
    async with running(real(office)) as made:
        yield made


@pytest.fixture
async def key(primary: Running) -> TsigKey:
    secondary, key = await asyncio.to_thread(add_secondary, primary.office, "ns1")
    await eventually(lambda: primary.primary._register.known().key(key.name) is not None, 2)
    assert secondary
    return key


@pytest.mark.parametrize("tcp", [False, True])
async def test_the_serial_is_told_to_who_has_a_key(
    primary: Running, key: TsigKey, tcp: bool
) -> None:
    serial = await primary.register_and_serve()
    answer = await primary.ask("SOA", key, tcp=tcp)
    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.flags & dns.flags.AA
    assert answer.had_tsig
    [[soa]] = answer.answer
    assert soa.serial == serial


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("kind", ["SOA", "AXFR", "IXFR", "A", "ANY"])
async def test_nobody_without_a_key_is_told_anything(
    primary: Running, key: TsigKey, kind: str, tcp: bool
) -> None:
    answer = await primary.ask(kind, None, tcp=tcp) if kind != "IXFR" else None
    if answer is not None:
        assert answer.rcode() == dns.rcode.REFUSED
        assert not answer.answer


async def test_a_stranger_s_key_and_a_wrong_secret_are_refused(
    primary: Running, key: TsigKey
) -> None:
    for other, error in (
        (TsigKey.generate("nobody.example"), dns.tsig.PeerBadKey),
        (TsigKey.generate(key.name), dns.tsig.PeerBadSignature),
    ):
        for tcp in (False, True):
            with pytest.raises(error):
                await primary.ask("SOA", other, tcp=tcp)
        with pytest.raises(dns.tsig.PeerError):
            await primary.transfer(other)
    with primary.office.reading() as work:
        [issued] = secondary_keys.keys_now(work).values()
    await eventually(
        lambda: "does not fit" in (error_of(primary.office, issued.secondary_id)), seconds=3
    )
    await primary.ask("SOA", key)
    await eventually(lambda: error_of(primary.office, issued.secondary_id) == "", seconds=3)


def error_of(office: Office, secondary: int) -> str:
    state = state_of(office, secondary)
    return "" if state is None else state.error


async def test_a_wrong_clock_is_told_the_time(primary: Running, key: TsigKey) -> None:
    question = primary.question("SOA", key)
    with mock.patch("time.time", return_value=time.time() - 3600):
        wire = question.to_wire()
    answer = await raw_udp(primary, wire)
    assert answer is not None
    parsed = dns.message.from_wire(answer, ignore_trailing=True, keyring=False)
    [tsig] = parsed.tsig or []
    assert parsed.rcode() == dns.rcode.NOTAUTH
    assert tsig.error == dns.rcode.BADTIME
    assert abs(int.from_bytes(tsig.other, "big") - time.time()) < 5


async def raw_udp(primary: Running, wire: bytes, seconds: float = 1.0) -> bytes | None:
    """Send a datagram as it is; None: no answer."""

    def send() -> bytes | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(seconds)
            sock.connect((primary.address, primary.port))
            sock.send(wire)
            try:
                return sock.recv(65535)
            except TimeoutError:
                return None

    return await asyncio.to_thread(send)


async def test_what_is_not_for_secondaries_is_refused(primary: Running, key: TsigKey) -> None:
    assert (await primary.ask("A", key)).rcode() == dns.rcode.REFUSED
    other = dns.message.make_query("other.example", "SOA")
    other.use_tsig(keyring(key), keyname=dns.name.from_text(key.name))
    answer = await asyncio.to_thread(
        dns.query.udp, other, primary.address, port=primary.port, timeout=5
    )
    assert answer.rcode() == dns.rcode.NOTAUTH
    notify = primary.question("SOA", key)
    notify.set_opcode(dns.opcode.NOTIFY)
    answer = await asyncio.to_thread(
        dns.query.udp, notify, primary.address, port=primary.port, timeout=5
    )
    assert answer.rcode() == dns.rcode.REFUSED
    answer = await asyncio.to_thread(
        dns.query.udp, primary.question("AXFR", key), primary.address, port=primary.port, timeout=5
    )
    assert answer.rcode() == dns.rcode.FORMERR


async def test_garbage_is_never_answered_with_more_than_it_was(
    primary: Running, key: TsigKey
) -> None:
    chance = random.Random(5)
    signed = primary.question("SOA", key).to_wire()
    plain = primary.question("AXFR", None, use_edns=0).to_wire()

    def garbage() -> bytes:
        base = bytearray(chance.choice((signed, plain, chance.randbytes(chance.randint(0, 600)))))
        for _ in range(chance.randint(1, 8)):
            if base:
                base[chance.randrange(len(base))] = chance.randrange(256)
        return bytes(base[: chance.randint(0, len(base))])

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((primary.address, primary.port))
        sock.setblocking(False)
        for _ in range(300):
            wire = garbage()
            sock.send(wire)
            await asyncio.sleep(0.021)
            try:
                answer = sock.recv(65535)
            except BlockingIOError:
                continue
            assert len(answer) <= len(wire)
    assert (await primary.ask("SOA", key)).rcode() == dns.rcode.NOERROR


async def test_a_whole_zone_is_transferred_as_it_is(primary: Running, key: TsigKey) -> None:
    serial = await primary.register_and_serve(*(f"mx{n}.example.org" for n in range(300)))
    zone = await primary.transfer(key)
    assert serial_of(zone) == serial
    names = {name for name, *_ in records_of(zone)}
    assert f"mx77.example.org.{primary.zone}" in names
    assert f"mx77.example.org._vouch.{primary.zone}" in names


async def test_each_old_version_is_brought_up_to_date_by_ixfr(
    primary: Running, key: TsigKey
) -> None:
    old = []
    for number in range(30):
        await primary.register_and_serve(f"mx{number}.example.org", f"smtp{number}.example.org")
        if number % 7 == 3:
            serial = await asyncio.to_thread(primary.suspend, f"mx{number - 1}.example.org")
            await primary.serves(serial)
        old.append(await primary.transfer(key))
    whole = records_of(await primary.transfer(key))
    before = primary.metrics.registry.get_sample_value
    for zone in old:
        await primary.transfer(key, zone, kind="IXFR")
        assert serial_of(zone) == primary.serial
        assert records_of(zone) == whole
    sent = {"kind": "ixfr", "outcome": "sent"}
    name = "countersign_primary_transfers_total"
    await eventually(lambda: before(name, sent) == len(old) - 1)
    current = {"kind": "axfr", "outcome": "current"}
    await eventually(lambda: before(name, current) == 1)


async def test_dig_and_kdig_transfer_the_zone(primary: Running, key: TsigKey) -> None:
    skip_without("dig", "kdig")
    serial = await primary.register_and_serve("mx1.example.org")
    text = f"{key.algorithm}:{key.name}:{key.encoded}"
    where = (f"@{primary.address}", "-p", str(primary.port), "-y", text)
    zone = primary.office.config.zone
    for program, kind in (("dig", "AXFR"), ("kdig", "AXFR"), ("dig", "IXFR=1"), ("kdig", "IXFR=1")):
        process = await asyncio.create_subprocess_exec(
            program, *where, zone, kind, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        lines = said.decode().splitlines()
        assert sum(f" {serial} " in line and "SOA" in line for line in lines) == 2, lines
        assert any(line.startswith(f"mx1.example.org.{zone}.") for line in lines)
        assert "WARNING" not in said.decode()


async def test_who_has_the_version_or_a_later_one_gets_one_record(
    primary: Running, key: TsigKey
) -> None:
    serial = await primary.register_and_serve()
    for claimed in (serial, serial + 1, (serial + 2**31 - 1) % 2**32):
        for tcp in (False, True):
            answer = await ixfr(primary, key, claimed, tcp=tcp)
            [[soa]] = answer.answer
            assert soa.serial == serial
    answer = await ixfr(primary, key, serial - 1, tcp=False)
    assert [soa.serial for [soa] in answer.answer] == [serial]


async def ixfr(primary: Running, key: TsigKey, serial: int, *, tcp: bool) -> dns.message.Message:
    question = primary.question("IXFR", None)
    soa = dns.rdata.from_text("IN", "SOA", f". . {serial} 0 0 0 0")
    question.authority.append(dns.rrset.from_rdata(primary.zone, 0, soa))
    question.use_tsig(keyring(key), keyname=dns.name.from_text(key.name))
    call = dns.query.tcp if tcp else dns.query.udp
    return await asyncio.to_thread(call, question, primary.address, port=primary.port, timeout=5)


async def test_a_version_that_the_journal_does_not_know_gets_the_zone_whole(
    primary: Running, key: TsigKey
) -> None:
    serial = await primary.register_and_serve("mx1.example.org")
    answer = await ixfr(primary, key, serial - 1_000_000, tcp=True)
    first, last = answer.answer[0], answer.answer[-1]
    assert first == last or len(answer.answer[0]) >= 1
    assert any("mx1.example.org" in str(one.name) for one in answer.answer)


async def test_a_new_key_is_good_within_two_seconds_and_a_revoked_one_no_more(
    primary: Running, key: TsigKey
) -> None:
    with primary.office.reading() as work:
        [issued] = secondary_keys.keys_now(work).values()
    other = await asyncio.to_thread(rotate, primary.office, issued.secondary_id)
    known = primary.primary._register.known
    await eventually(lambda: known().key(other.name) is not None, 2)
    assert (await primary.ask("SOA", other)).rcode() == dns.rcode.NOERROR
    assert (await primary.ask("SOA", key)).rcode() == dns.rcode.NOERROR, "for some days"

    def revoke() -> None:
        with primary.office.work() as work:
            old = secondary_keys.keys_of(work, issued.secondary_id)[-1]
            assert old.name == key.name
            secondary_keys.revoke(work, SYSTEM, issued.secondary_id, old.id)

    await asyncio.to_thread(revoke)
    await eventually(lambda: known().key(key.name) is None, 2)
    with pytest.raises(dns.tsig.PeerBadKey):
        await primary.ask("SOA", key)


async def test_what_secondaries_ask_tells_what_they_have(primary: Running, key: TsigKey) -> None:
    serial = await primary.register_and_serve()
    zone = await primary.transfer(key)
    with primary.office.reading() as work:
        [issued] = secondary_keys.keys_now(work).values()
    secondary = issued.secondary_id

    def stored(serial: int, kind: str) -> bool:
        state = state_of(primary.office, secondary)
        return state is not None and state.serial == serial and state.transfer == kind

    await eventually(lambda: stored(serial, "axfr"))
    state = state_of(primary.office, secondary)
    assert state is not None
    assert state.address == "127.0.0.1"
    assert state.octets > 200
    assert state.error == ""
    newer = await primary.register_and_serve()
    await primary.transfer(key, zone, kind="IXFR")
    await eventually(lambda: stored(newer, "ixfr"))
    with primary.office.reading() as work:
        [row] = secondary_keys.keys_of(work, secondary)
        assert row.used_at is not None


async def test_before_there_is_a_zone_the_answer_is_to_come_later(office: Office) -> None:
    office = real(office)
    async with running(office, published=False) as primary:
        primary.primary._zone.current = None
        _, key = await asyncio.to_thread(add_secondary, office, "ns1")
        known = primary.primary._register.known
        await eventually(lambda: known().key(key.name) is not None, 2)
        await eventually(lambda: primary.primary._zone.current is not None)
        answer = await primary.ask("SOA", key)
        assert answer.rcode() == dns.rcode.NOERROR


async def test_the_same_on_an_ipv6_address(office: Office) -> None:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    async with running(real(office, listen=("[::1]:0", "0.0.0.0:0"))) as primary:
        _, key = await asyncio.to_thread(add_secondary, primary.office, "ns1")
        known = primary.primary._register.known
        await eventually(lambda: known().key(key.name) is not None, 2)
        for tcp in (False, True):
            assert (await primary.ask("SOA", key, tcp=tcp)).rcode() == dns.rcode.NOERROR
        port = int(primary.sockets.addresses[1].rpartition(":")[2])
        question = primary.question("SOA", key)
        # Answers of a socket on all addresses come from the one that was asked.
        answer = await asyncio.to_thread(dns.query.udp, question, "127.0.0.3", port=port, timeout=5)
        assert answer.rcode() == dns.rcode.NOERROR
