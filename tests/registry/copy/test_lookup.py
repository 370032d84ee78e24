"""Looking servers up in the copy, and what happens when it cannot tell."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from countersign.registry import copy_lookup
from countersign.registry.copy.meta import CLOCK_SKEW, DOUBTED
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.copy_lookup import CopyRegistry, NoUsableCopyError, OnStale
from countersign.registry.lookup import (
    KeyPin,
    RegistryEntry,
    RegistryUnavailableError,
    Standing,
)
from countersign.registry.zone import content
from countersign.registry.zone.content import (
    Listed,
    address_key,
    address_node,
    host_nodes,
    signing_key,
)
from countersign.registry.zone.names import APEX, host_key
from countersign.registry.zone.records import TXT, A, make_node, record, text_record
from tests.registry.copy.zones import ZONE, apex, fill

NOW = 1000.0
HOST = "mail.example.org"


LISTED = record(A, 60, bytes((127, 0, 0, 2)))


class Fallback:
    """Another registry, which knows one server or cannot be asked."""

    def __init__(self) -> None:
        self.fails = False
        self.asked: list[str] = []
        self.is_closed = False

    async def look_up(self, hostname: str) -> RegistryEntry:
        self.asked.append(hostname)
        if self.fails:
            raise RegistryUnavailableError("no answer")
        return RegistryEntry(hostname, Standing.SUSPENDED, reason="by the fallback")

    async def aclose(self) -> None:
        self.is_closed = True


class Setting:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = NOW
        self.fallback = Fallback()
        self._copy: ZoneCopy | None = None

    @property
    def copy(self) -> ZoneCopy:
        if self._copy is None:
            self._copy = ZoneCopy.open(self.directory, writable=True)
        return self._copy

    def fill(self, extra: dict[bytes, bytes] | None = None, serial: int = 1) -> None:
        nodes = {APEX: apex(serial)}
        for server in (
            Listed(HOST, Standing.REGISTERED),
            Listed("pin.example.org", Standing.REGISTERED, pins=("3 1 1 " + "ab" * 32,)),
            Listed("bad.example.org", Standing.SUSPENDED, date(2025, 1, 2), "sent to a trap"),
        ):
            nodes.update(host_nodes(server, 300))
        fill(self.copy, {**nodes, **(extra or {})}, serial, NOW)

    def registry(
        self, on_stale: OnStale = OnStale.SOFT, *, fallback: bool = True, zone: str = ZONE
    ) -> CopyRegistry:
        return CopyRegistry(
            self.directory,
            zone,
            max_age=60.0,
            on_stale=on_stale,
            fallback=self.fallback if fallback else None,
            clock=lambda: self.now,
        )

    def close(self) -> None:
        if self._copy is not None:
            self._copy.close()
            self._copy = None


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    monkeypatch.setattr(copy_lookup, "LOOK_AGAIN_SECONDS", 0.0)
    made = Setting(tmp_path / "copy")
    yield made
    made.close()


async def test_the_copy_says_what_the_list_says(setting: Setting) -> None:
    setting.fill()
    registry = setting.registry()
    assert await registry.look_up(HOST) == RegistryEntry(HOST, Standing.REGISTERED)
    assert await registry.look_up("pin.example.org") == RegistryEntry(
        "pin.example.org", Standing.REGISTERED, (KeyPin(1, 1, b"\xab" * 32),)
    )
    assert await registry.look_up("bad.example.org") == RegistryEntry(
        "bad.example.org", Standing.SUSPENDED, reason="sent to a trap"
    )
    assert await registry.look_up("absent.example.org") == RegistryEntry(
        "absent.example.org", Standing.ABSENT
    )
    assert setting.fallback.asked == []
    await registry.aclose()
    assert setting.fallback.is_closed


@pytest.mark.parametrize(
    "hostname",
    [
        "",
        "org",
        "example.org",
        "test",
        "2.0.0.127.ip",
        "mail._vouch",
        f"s._domainkey.{HOST}",
        "a." * 130 + "org",
        "a" * 900,
    ],
)
async def test_what_is_no_server_is_absent(setting: Setting, hostname: str) -> None:
    listed = dict(content.test_nodes(300))
    listed[address_key("192.0.2.1")] = address_node("192.0.2.1", [HOST], 300)
    listed[signing_key(HOST, "s")] = text_record(300, "v=DKIM1; p=AAAA")
    setting.fill(listed)
    entry = await setting.registry().look_up(hostname)
    assert entry == RegistryEntry(hostname, Standing.ABSENT)


@pytest.mark.parametrize(
    "node",
    [
        make_node([record(A, 60, bytes((127, 0, 0, 1))), text_record(60, "v=countersign1")]),
        make_node([record(A, 60, bytes((127, 0, 0, n))) for n in (2, 3)]),
        make_node([LISTED, text_record(60, "v=countersign1; pin=x")]),
        make_node([LISTED, text_record(60, "v=countersign2; pin=3 1 1 00")]),
        make_node([LISTED, text_record(60, "v=countersign1; since=2025-01-02")]),
        text_record(60, "v=countersign1"),
        make_node([LISTED, *(text_record(60, f"{n}") for n in range(10_000))]),
    ],
)
async def test_what_is_no_listing_is_neither_yes_nor_no(setting: Setting, node: bytes) -> None:
    setting.fill({host_key("odd.example.org"): node})
    with pytest.raises(RegistryUnavailableError, match=r"listing|pin|version|contradict|too many"):
        await setting.registry().look_up("odd.example.org")
    assert setting.fallback.asked == []


async def test_long_texts_of_several_strings_are_read_whole(setting: Setting) -> None:
    setting.fill(
        {host_key("a.example.org"): text_record(60, "v=countersign1; reason=" + "r" * 600)}
    )
    entry = await setting.registry().look_up("a.example.org")
    assert (entry.standing, entry.reason) == (Standing.SUSPENDED, "r" * 600)


async def test_without_a_copy_the_fallback_is_asked(setting: Setting) -> None:
    registry = setting.registry()
    with capture_logs() as logs:
        for _ in range(3):
            assert (await registry.look_up(HOST)).reason == "by the fallback"
    assert [(one["log_level"], "yet" in one["reason"]) for one in logs] == [("warning", True)]
    setting.fallback.fails = True
    with pytest.raises(RegistryUnavailableError):
        await registry.look_up(HOST)
    with pytest.raises(NoUsableCopyError, match="no copy"):
        await setting.registry(fallback=False).look_up(HOST)


async def test_a_copy_that_appears_later_is_used(setting: Setting) -> None:
    registry = setting.registry()
    assert (await registry.look_up(HOST)).standing is Standing.SUSPENDED
    assert setting.copy.meta() is None
    assert (await registry.look_up(HOST)).standing is Standing.SUSPENDED
    setting.fill()
    assert (await registry.look_up(HOST)).standing is Standing.REGISTERED


async def test_a_decision_is_seen_at_once(setting: Setting) -> None:
    setting.fill()
    registry = setting.registry()
    assert (await registry.look_up(HOST)).standing is Standing.REGISTERED
    with setting.copy.changing() as change:
        change.put(host_key(HOST), text_record(60, "v=countersign1; reason=r"))
        change.commit(serial=2, checked_at=NOW)
    assert (await registry.look_up(HOST)).reason == "r"
    setting.fill(serial=3)
    assert (await registry.look_up(HOST)).standing is Standing.REGISTERED


async def test_a_directory_made_anew_is_opened_anew(setting: Setting) -> None:
    setting.fill()
    registry = setting.registry()
    assert (await registry.look_up(HOST)).standing is Standing.REGISTERED
    setting.close()
    shutil.rmtree(setting.directory)
    assert (await registry.look_up(HOST)).reason == "by the fallback"
    setting.fill({host_key(HOST): text_record(60, "reason of the new one")})
    assert (await registry.look_up(HOST)).reason == "reason of the new one"


async def test_a_damaged_copy_is_not_asked(setting: Setting) -> None:
    setting.fill()
    setting.close()
    (setting.directory / "data.mdb").write_bytes(b"rubbish" * 10_000)
    registry = setting.registry()
    with capture_logs() as logs:
        for _ in range(3):
            assert (await registry.look_up(HOST)).reason == "by the fallback"
    assert len(logs) == 1
    assert logs[0]["log_level"] == "error"
    assert "delete the directory" in logs[0]["reason"]


async def test_a_copy_of_another_zone_is_not_asked(setting: Setting) -> None:
    setting.fill()
    registry = setting.registry(zone="other.example")
    assert (await registry.look_up(HOST)).reason == "by the fallback"
    with pytest.raises(NoUsableCopyError, match="another zone"):
        registry.find(HOST)


async def test_a_stale_copy_is_asked_last(setting: Setting) -> None:
    setting.fill()
    soft, accept, defer = (setting.registry(OnStale(name)) for name in ("soft", "accept", "defer"))
    setting.now = NOW + 60.0
    assert not (await soft.look_up(HOST)).is_stale
    setting.now = NOW + 60.1
    for registry in (soft, accept, defer):
        assert (await registry.look_up(HOST)).reason == "by the fallback"
    setting.fallback.fails = True
    old = RegistryEntry(HOST, Standing.REGISTERED, is_stale=True)
    assert soft.find(HOST) == await soft.look_up(HOST) == old
    assert await accept.look_up(HOST) == RegistryEntry(HOST, Standing.REGISTERED)
    assert (await soft.look_up("absent.example.org")).is_stale
    with pytest.raises(RegistryUnavailableError):
        await defer.look_up(HOST)
    alone = setting.registry(OnStale.DEFER, fallback=False)
    with pytest.raises(RegistryUnavailableError, match="age limit"):
        await alone.look_up(HOST)
    assert await setting.registry(fallback=False).look_up(HOST) == old
    setting.copy.touch(setting.now)
    assert await defer.look_up(HOST) == RegistryEntry(HOST, Standing.REGISTERED)


async def test_a_damaged_copy_is_never_taken_for_an_old_one(setting: Setting) -> None:
    setting.fill()
    with setting.copy.changing() as change:
        change.commit(serial=1, checked_at=DOUBTED)
    setting.fallback.fails = True
    entry = await setting.registry(OnStale.ACCEPT).look_up("absent.example.org")
    assert entry.is_stale


async def test_a_copy_confirmed_in_the_future_is_of_unknown_age(setting: Setting) -> None:
    setting.fill()
    setting.fallback.fails = True
    registry = setting.registry()
    setting.now = NOW - CLOCK_SKEW
    assert not (await registry.look_up(HOST)).is_stale
    setting.now = NOW - CLOCK_SKEW - 1
    assert (await registry.look_up(HOST)).is_stale
    setting.copy.touch(setting.now)
    assert not (await registry.look_up(HOST)).is_stale


@pytest.mark.parametrize("octets", [b"", b"\0\xff\xfe", b"a\r\nb", b"v=countersign1; reason=\xc3"])
async def test_strange_octets_in_a_text_are_a_reason(setting: Setting, octets: bytes) -> None:
    node = record(TXT, 60, bytes((len(octets),)) + octets)
    setting.fill({host_key("odd.example.org"): node})
    entry = await setting.registry().look_up("odd.example.org")
    assert entry.standing is Standing.SUSPENDED
