"""Whatever is done to a copy, it is what a dictionary would be, with the right sum and count."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from countersign.registry.copy import changing, replacing
from countersign.registry.copy.errors import DivergedError
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.changes import NodeChange
from countersign.registry.zone.names import APEX
from countersign.registry.zone.records import A, make_node, record, split_node, text_record
from tests.registry.copy.zones import ZONE, all_nodes, apex, meta_of, records_of

KEYS = st.sampled_from(
    [b".a", b".a\0b", b".a\0b\0c", b".aa", b".b", b".b\0a", b".z\0" + b"\0".join([b"z" * 63] * 3)]
)
RECORDS = st.sampled_from(
    [record(A, 60, bytes((127, 0, 0, number))) for number in (2, 3)]
    + [text_record(ttl, text) for text in ("", "x", "y" * 3000) for ttl in (60, 61)]
)
NODES = st.lists(RECORDS, max_size=4).map(make_node)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), KEYS, RECORDS),
        st.tuples(st.just("remove"), KEYS, RECORDS),
        st.tuples(st.just("put"), KEYS, NODES),
    ),
    max_size=12,
)


class CopyMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.directory = directory / "copy"
        self.copy = ZoneCopy.open(self.directory, writable=True)
        self.reader = self.copy.reader()
        self.serial = 0
        self.model: dict[bytes, bytes] = {}

    def teardown(self) -> None:
        self.copy.close()
        self._stack.close()

    @initialize()
    def load(self) -> None:
        self.replace([], commits=True)

    @rule(
        records=st.lists(st.tuples(KEYS, RECORDS), max_size=25),
        commits=st.booleans(),
    )
    def replace(self, records: list[tuple[bytes, bytes]], commits: bool) -> None:
        serial = self.serial + 1
        records = [*((APEX, one) for one in split_node(apex(serial))), *records]
        expected: dict[bytes, bytes] = {}
        for key, one in records:
            expected[key] = make_node([*split_node(expected.get(key, b"")), one])
        with self.copy.replacing() as new:
            middle = len(records) // 2
            new.add_all(records[:middle])
            for key, one in records[middle:]:
                new.add(key, one)
            assert new.records == meta_of(expected, serial).records
            if commits:
                new.commit(zone=ZONE, serial=serial, checked_at=1000.0, source="test")
                self.serial, self.model = serial, expected

    @rule(steps=STEPS, commits=st.booleans())
    def change(self, steps: list[tuple[str, bytes, bytes]], commits: bool) -> None:
        serial, model = self.serial + 1, dict(self.model)
        with self.copy.changing() as change:
            for what, key, value in [*steps, ("put", APEX, apex(serial))]:
                now = split_node(model.get(key, b""))
                if what == "put":
                    change.put(key, value)
                    after = value
                elif what == "add":
                    after = make_node([*now, value])
                    with self.diverges(value in now):
                        change.add(key, value)
                else:
                    after = make_node([one for one in now if one != value])
                    with self.diverges(value not in now):
                        change.remove(key, value)
                model = {**model, key: after} if after else without(model, key)
                assert change.get(key) == after
            assert dict(change.snapshot().nodes()) == model
            if commits:
                change.commit(serial=serial, checked_at=1000.0)
                self.serial, self.model = serial, model

    @rule(nodes=st.dictionaries(KEYS, NODES, max_size=5), wrong=st.booleans())
    def apply(self, nodes: dict[bytes, bytes], wrong: bool) -> None:
        serial = self.serial + 1
        after = {**self.model, **nodes, APEX: apex(serial)}
        after = {key: node for key, node in after.items() if node}
        changes = [
            NodeChange(key, self.model.get(key, b""), after.get(key, b""))
            for key in sorted({*nodes, APEX})
        ]
        if wrong:
            changes.append(NodeChange(b".other", text_record(60, "x"), b""))
        with self.diverges(wrong):
            assert self.copy.apply(changes, meta_of(after, serial)) == meta_of(after, serial)
            self.serial, self.model = serial, after

    @rule()
    def open_again(self) -> None:
        self.copy.close()
        self.copy = ZoneCopy.open(self.directory, writable=True)
        self.reader = self.copy.reader()

    @invariant()
    def is_what_it_should_be(self) -> None:
        if not self.serial:
            return
        assert self.copy.meta() == meta_of(self.model, self.serial)
        assert all_nodes(self.copy) == self.model
        assert list(records_of(all_nodes(self.copy))) == list(records_of(self.model))
        for key in (*self.model, b".other"):
            assert self.reader.get(key) == self.model.get(key, b"")
        assert self.copy.verify() == []

    @staticmethod
    @contextlib.contextmanager
    def diverges(expected: bool) -> Iterator[None]:
        if not expected:
            yield
            return
        with pytest.raises(DivergedError):
            yield


def without(model: dict[bytes, bytes], key: bytes) -> dict[bytes, bytes]:
    return {name: node for name, node in model.items() if name != key}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is written in parts come in many of them."""
    monkeypatch.setattr(replacing, "_CHUNK_NODES", 3)
    monkeypatch.setattr(changing, "_PENDING_NODES", 2)


def test_a_copy_is_what_a_dictionary_would_be() -> None:
    bounds = settings(max_examples=25, stateful_step_count=12, deadline=None)
    run_state_machine_as_test(CopyMachine, settings=bounds)
