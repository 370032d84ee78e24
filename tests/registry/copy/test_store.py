"""The copy of the zone: what is written is read, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from countersign.registry.copy.errors import (
    CopyError,
    CopyFullError,
    DamagedCopyError,
    DivergedError,
    NoCopyError,
)
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.changes import NodeChange
from countersign.registry.zone.names import APEX, host_key
from countersign.registry.zone.records import A, make_node, record, split_node, text_record
from tests.registry.copy.zones import ZONE, all_nodes, apex, fill, meta_of, records_of, zone

FIRST = zone(1, ["mail.example.org", "mx.example.org", "mail.example.net"])


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[ZoneCopy]:
    with ZoneCopy.open(tmp_path / "copy", writable=True) as opened:
        yield opened


def test_a_new_copy_is_empty_and_says_so(copy: ZoneCopy) -> None:
    assert copy.meta() is None
    assert copy.reader().get(APEX) == b""
    with pytest.raises(NoCopyError, match="yet"), copy.reader().snapshot():
        pass
    assert "yet" in copy.verify()[0]


def test_there_is_nothing_to_read_where_nobody_wrote(tmp_path: Path) -> None:
    with pytest.raises(NoCopyError, match="there is no copy"):
        ZoneCopy.open(tmp_path / "absent", writable=False)
    assert not (tmp_path / "absent").exists()


def test_a_replaced_copy_is_what_was_given(copy: ZoneCopy) -> None:
    meta = fill(copy, FIRST, 1)
    assert meta == meta_of(FIRST, 1) == copy.meta()
    assert all_nodes(copy) == FIRST
    assert copy.reader().get(host_key("mx.example.org")) == FIRST[host_key("mx.example.org")]
    assert copy.reader().get(b".nobody") == b""
    assert copy.verify() == []


def test_records_may_come_in_any_order_and_twice(
    copy: ZoneCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countersign.registry.copy.replacing._CHUNK_NODES", 2)
    records = list(records_of(FIRST))
    with copy.replacing() as new:
        for key, one in [*records[::2], *reversed(records), *records[1::3]]:
            new.add(key, one)
        assert new.records == len(records)
        assert new.node_sum == meta_of(FIRST, 1).node_sum
        assert new.get(APEX) == FIRST[APEX]
        with new.snapshot() as snapshot:
            assert dict(snapshot.nodes()) == FIRST
        new.commit(zone=ZONE, serial=1, checked_at=1000.0, source="test")
    assert copy.meta() == meta_of(FIRST, 1)
    assert all_nodes(copy) == FIRST
    assert copy.verify() == []


def test_a_replacement_without_commit_leaves_the_old_copy(copy: ZoneCopy) -> None:
    fill(copy, FIRST, 1)
    with copy.replacing() as new:
        new.put(b".other", text_record(300, "x"))
    with pytest.raises(ZeroDivisionError), copy.replacing() as new:
        new.put(b".other", text_record(300, "x"))
        raise ZeroDivisionError
    assert all_nodes(copy) == FIRST
    second = zone(2, ["a.example.org"])
    fill(copy, second, 2)
    assert all_nodes(copy) == second
    assert copy.verify() == []


def test_one_replacement_at_a_time(copy: ZoneCopy) -> None:
    with copy.replacing(), pytest.raises(CopyError, match="another process"), copy.replacing():
        pass


def test_a_half_made_table_is_cleared_when_the_copy_is_opened(
    copy: ZoneCopy, tmp_path: Path
) -> None:
    fill(copy, FIRST, 1)
    environment = copy._environment
    with environment.writing() as transaction:
        inactive = environment.tables()["a"]
        transaction.put(b".left", b"over", db=inactive)
    with ZoneCopy.open(tmp_path / "copy", writable=True), environment.reading() as transaction:
        assert transaction.stat(inactive)["entries"] == 0
    assert all_nodes(copy) == FIRST


def test_changes_are_applied_all_or_none(copy: ZoneCopy) -> None:
    fill(copy, FIRST, 1)
    key = host_key("mail.example.org")
    suspended = make_node([text_record(300, "v=countersign1; reason=r")])
    second = {**FIRST, APEX: apex(2), key: suspended}
    gone = host_key("mail.example.net")
    del second[gone]
    changes = [
        NodeChange(APEX, FIRST[APEX], apex(2)),
        NodeChange(key, FIRST[key], suspended),
        NodeChange(gone, FIRST[gone], b""),
    ]
    wrong = [*changes, NodeChange(b".nobody", suspended, b"")]
    with pytest.raises(DivergedError, match="nobody"):
        copy.apply(wrong, meta_of(second, 2))
    with pytest.raises(DivergedError, match="sum"):
        copy.apply(changes[:2], meta_of(second, 2))
    assert copy.meta() == meta_of(FIRST, 1)
    assert all_nodes(copy) == FIRST
    assert copy.apply(changes, meta_of(second, 2)) == meta_of(second, 2)
    assert copy.meta() == meta_of(second, 2)
    assert all_nodes(copy) == second
    assert copy.verify() == []


def test_a_first_version_can_be_applied_to_nothing(copy: ZoneCopy) -> None:
    changes = [NodeChange(key, b"", node) for key, node in FIRST.items()]
    copy.apply(changes, meta_of(FIRST, 1))
    assert all_nodes(copy) == FIRST
    assert copy.verify() == []


def test_records_are_changed_strictly(copy: ZoneCopy) -> None:
    fill(copy, FIRST, 1)
    key = host_key("mail.example.org")
    one, other = split_node(FIRST[key])
    new = record(A, 60, b"\x7f\0\0\x03")
    with copy.changing() as change:
        with pytest.raises(DivergedError, match="not there"):
            change.remove(key, new)
        with pytest.raises(DivergedError, match="there already"):
            change.add(key, one)
        change.remove(key, one)
        change.add(key, new)
        assert change.get(key) == make_node([new, other])
        change.put(APEX, apex(2))
        change.put(b".extra", b"")
        meta = change.commit(serial=2, checked_at=2000.0)
        with pytest.raises(CopyError, match="already"):
            change.add(key, one)
    expected = {**FIRST, APEX: apex(2), key: make_node([new, other])}
    assert all_nodes(copy) == expected
    assert meta == copy.meta() == meta_of(expected, 2, 2000.0)
    assert copy.verify() == []


def test_records_changed_without_commit_stay(copy: ZoneCopy) -> None:
    fill(copy, FIRST, 1)
    with copy.changing() as change:
        change.put(b".extra", text_record(60, "x"))
        assert change.records == meta_of(FIRST, 1).records + 1
        assert dict(change.snapshot().nodes()) == {**FIRST, b".extra": text_record(60, "x")}
    assert all_nodes(copy) == FIRST
    assert copy.meta() == meta_of(FIRST, 1)


def test_errors_of_the_block_are_left_as_they_are(copy: ZoneCopy) -> None:
    for error in (ConnectionResetError, TimeoutError, ValueError):
        with pytest.raises(error), copy.changing():
            raise error
        with pytest.raises(error), copy.replacing():
            raise error


def test_a_snapshot_stays_one_state(copy: ZoneCopy) -> None:
    fill(copy, FIRST, 1)
    with copy.reader().snapshot() as snapshot:
        for serial in range(2, 6):
            fill(copy, zone(serial, ["new.example"]), serial)
        assert dict(snapshot.nodes()) == FIRST
        assert snapshot.meta == meta_of(FIRST, 1)
        assert snapshot.get(APEX) == apex(1)


def test_nodes_are_walked_from_a_key_and_below_one(copy: ZoneCopy) -> None:
    nodes = {**FIRST, b".org-x": text_record(60, "x"), b".orga": text_record(60, "x")}
    fill(copy, nodes, 1)
    with copy.reader().snapshot() as snapshot:
        keys = sorted(nodes)
        assert [key for key, _ in snapshot.nodes()] == keys
        assert [key for key, _ in snapshot.nodes(below=APEX)] == keys
        org = [key for key, _ in snapshot.nodes(below=b".org")]
        assert org == [key for key in keys if key.startswith(b".org\0")]
        assert len(org) == 2
        after = [key for key, _ in snapshot.nodes(begin=org[1], below=b".org")]
        assert after == org[1:]
        assert [key for key, _ in snapshot.nodes(begin=b".org-x")] == [b".org-x", b".orga"]
        assert list(snapshot.nodes(below=org[0])) == [(org[0], nodes[org[0]])]
        assert list(snapshot.nodes(begin=b".z")) == []


def test_a_check_is_noted_for_others_every_ten_seconds(copy: ZoneCopy) -> None:
    fill(copy, FIRST, 1)
    other = copy.reader()

    def times() -> tuple[float, float]:
        own, others = copy.meta(), other.meta()
        assert own is not None
        assert others is not None
        assert (own.loaded_at, own.serial) == (1000.0, 1)
        return own.checked_at, others.checked_at

    copy.touch(1005.0)
    assert times() == (1005.0, 1000.0)
    copy.touch(1010.0)
    assert times() == (1010.0, 1010.0)
    copy.touch(900.0)
    assert times() == (900.0, 900.0)


def test_readers_cannot_write(copy: ZoneCopy, tmp_path: Path) -> None:
    fill(copy, FIRST, 1)
    copy.close()
    with ZoneCopy.open(tmp_path / "copy", writable=False) as reading:
        assert all_nodes(reading) == FIRST
        with pytest.raises(CopyError, match="for reading"), reading.changing():
            pass


def test_a_full_map_leaves_the_old_copy(tmp_path: Path) -> None:
    with ZoneCopy.open(tmp_path / "copy", writable=True, map_size=256 * 1024) as copy:
        fill(copy, FIRST, 1)
        many = zone(2, [f"host{number}.example.org" for number in range(3000)])
        with pytest.raises(CopyFullError, match="greatest size"):
            fill(copy, many, 2)
        changes = [NodeChange(key, FIRST.get(key, b""), node) for key, node in many.items()]
        with pytest.raises(CopyFullError, match="as it was before"):
            copy.apply(changes, meta_of(many, 2))
        assert all_nodes(copy) == FIRST
        assert copy.verify() == []
        assert fill(copy, zone(3, ["a.example"]), 3).serial == 3


def test_damaged_files_are_told_from_missing_ones(copy: ZoneCopy, tmp_path: Path) -> None:
    directory = tmp_path / "copy"
    fill(copy, zone(1, [f"host{number}.example.org" for number in range(3000)]), 1)
    fill(copy, FIRST, 2)
    copy.close()
    data = directory / "data.mdb"
    whole = data.read_bytes()
    for octets in (whole[: len(whole) // 2], bytes(len(whole)), b"x" * len(whole)):
        data.write_bytes(octets)
        for writable in (False, True):
            with pytest.raises(DamagedCopyError, match="delete the directory"):
                ZoneCopy.open(directory, writable=writable)
    data.write_bytes(whole)
    with ZoneCopy.open(directory, writable=False) as again:
        assert again.verify() == [] or again.meta() is not None


def test_a_copy_of_another_format_is_not_misread(copy: ZoneCopy, tmp_path: Path) -> None:
    fill(copy, FIRST, 1)
    copy.close()
    with lmdb.open(str(tmp_path / "copy"), max_dbs=3) as environment:
        table = environment.open_db(b"meta")
        with environment.begin(write=True, db=table) as transaction:
            fields = json.loads(transaction.get(b"meta") or b"")
            transaction.put(b"meta", json.dumps(fields | {"format": 99}).encode())
    with pytest.raises(DamagedCopyError, match="does not know"):
        ZoneCopy.open(tmp_path / "copy", writable=False)


def test_verify_finds_what_was_altered(copy: ZoneCopy) -> None:
    fill(copy, FIRST, 1)
    key = host_key("mail.example.org")
    environment = copy._environment
    with environment.writing() as transaction:
        transaction.put(key, text_record(300, "altered"), db=environment.tables()["b"])
    faults = copy.verify()
    assert any("sum over the nodes" in fault for fault in faults)
    assert any("records, and there should be" in fault for fault in faults)
    with environment.writing() as transaction:
        transaction.put(key, b"\0\1\0", db=environment.tables()["b"])
    assert any("cannot be read" in fault for fault in copy.verify())


def test_one_name_without_end_is_refused_before_much_of_it_came(copy: ZoneCopy) -> None:
    fill(copy, FIRST, 1)
    taken = 0

    def without_end() -> Iterator[tuple[bytes, bytes]]:
        nonlocal taken
        for taken in range(1_000_000):
            yield b".long", record(A, 60, taken.to_bytes(60_000))

    with pytest.raises(CopyError, match="too many records"), copy.replacing() as new:
        new.add_all(without_end())
    assert taken <= 1001
    with pytest.raises(CopyError, match="too many records"), copy.changing() as changing:
        for key, one in without_end():
            changing.add(key, one)
    assert taken <= 1001
    assert all_nodes(copy) == FIRST
