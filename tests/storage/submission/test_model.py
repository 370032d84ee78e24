"""The counts and locks against a simple model, whatever happens in whatever order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from countersign.rules.submission import DAY
from countersign.storage.submission.local import LocalSubmissionTables
from countersign.storage.submission.tables import (
    Counted,
    Lock,
    LockReason,
    Standing,
    SubmissionTables,
    Usage,
)
from countersign.storage.submission.valkey import ValkeySubmissionTables

USERS = ("ann", "bob:1:x", "eve")
HOUR = 3600.0
users = st.sampled_from(USERS)
# Also to where a reservation just ends to count, or to be kept, and back.
steps = st.sampled_from(
    [0.0, 0.001, 1.0, HOUR, 5 * HOUR, DAY - 1, DAY, DAY + 0.5, 2 * DAY, -1.0, -HOUR, -DAY, -3 * DAY]
)


@dataclass
class Sender:
    """What one user has sent, row by row."""

    rows: dict[str, tuple[float, int]] = field(default_factory=dict)
    last: float = float("-inf")

    def window(self, now: float) -> list[int]:
        return [recipients for at, recipients in self.rows.values() if at > now - DAY]

    def add(self, reservation: str, recipients: int, now: float) -> None:
        self.last = max(self.last, now)
        self.rows = {
            key: (at, number) for key, (at, number) in self.rows.items() if at > now - 2 * DAY
        }
        self.rows[reservation] = (self.last, recipients)


class Machine(RuleBasedStateMachine):
    tables: SubmissionTables

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.closing = contextlib.ExitStack()
        self.tables = self.runner.run(self.opened())
        self.now = self.newest = 1_700_000_000.25
        self.senders: dict[str, Sender] = {}
        self.locks: dict[str, Lock] = {}
        self.untold: list[Lock] = []
        self.unlocked: dict[str, float] = {}
        self.reservations = ["unknown", "7"]

    async def opened(self) -> SubmissionTables:
        raise NotImplementedError

    @rule(user=users, recipients=st.integers(1, 60), limit=st.sampled_from([None, 10, 50, 100]))
    def reserve(self, user: str, recipients: int, limit: int | None) -> None:
        found = self.runner.run(self.tables.reserve(user, recipients, limit, self.now))
        if user in self.locks:
            assert found == self.locks[user]
            return
        sender = self.senders.get(user, Sender())
        used = sum(sender.window(self.now))
        if limit is not None and used + recipients > limit:
            lock = Lock(user, LockReason.DAILY_LIMIT, self.now, used, recipients, limit)
            assert found == lock
            self.locks[user] = lock
            self.untold.append(lock)
            return
        assert isinstance(found, Counted)
        assert found.used == used + recipients
        self.senders[user] = sender
        sender.add(found.reservation, recipients, self.now)
        self.reservations.append(found.reservation)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        reservation = data.draw(st.sampled_from(self.reservations))
        self.runner.run(self.tables.release(reservation))
        for sender in self.senders.values():
            sender.rows.pop(reservation, None)

    @rule(step=steps)
    def time_goes_on(self, step: float) -> None:
        self.now += step
        self.newest = max(self.newest, self.now)

    @rule(user=users)
    def lock(self, user: str) -> None:
        lock = Lock(user, LockReason.ADMINISTRATOR, self.now, words="so")
        assert self.runner.run(self.tables.lock(lock)) == (user not in self.locks)
        self.locks.setdefault(user, lock)

    @rule(user=users, forget=st.booleans())
    def unlock(self, user: str, forget: bool) -> None:
        done = self.runner.run(self.tables.unlock(user, forget=forget, now=self.now))
        assert done == (self.locks.pop(user, None) is not None)
        if done:
            self.unlocked[user] = self.now
        if forget:
            self.senders.pop(user, None)

    @rule()
    def tell(self) -> None:
        if self.untold:
            lock = min(self.untold, key=lambda one: one.since)
            self.untold = [
                one for one in self.untold if (one.user, one.since) != (lock.user, lock.since)
            ]
            self.runner.run(self.tables.told(lock))

    @rule()
    def sweep(self) -> None:
        self.runner.run(self.tables.sweep(self.now))
        self.unlocked = {user: at for user, at in self.unlocked.items() if at > self.now - 2 * DAY}
        self.senders = {
            user: sender
            for user, sender in self.senders.items()
            if sender.last > self.now - 2 * DAY
        }

    @invariant()
    def counts_agree(self) -> None:
        for user in USERS:
            used = sum(self.senders.get(user, Sender()).window(self.now))
            assert self.runner.run(self.tables.used(user, self.now)) == used
            standing = Standing(self.locks.get(user), used, self.unlocked.get(user, 0.0))
            assert self.runner.run(self.tables.standing(user, self.now)) == standing
            assert sum(self.runner.run(self.tables.hours(user, self.now))) == used

    @invariant()
    def the_order_agrees(self) -> None:
        if self.now < self.newest:
            return
        usages = (
            Usage(user, sum(sender.window(self.now)), len(sender.window(self.now)))
            for user, sender in self.senders.items()
        )
        expected = sorted(
            (usage for usage in usages if usage.messages),
            key=lambda usage: (-usage.recipients, usage.user),
        )
        assert self.runner.run(self.tables.top(self.now)) == expected
        first = self.runner.run(self.tables.top(self.now, 1))
        assert [one.recipients for one in first] == [one.recipients for one in expected[:1]]

    @invariant()
    def locks_agree(self) -> None:
        found = self.runner.run(self.tables.locks())
        assert {lock.user: lock for lock in found} == self.locks
        assert [lock.since for lock in found] == sorted((one.since for one in found), reverse=True)
        # Locks of the same user and time are one.
        untold = self.runner.run(self.tables.untold())
        assert [lock.since for lock in untold] == sorted(lock.since for lock in untold)
        assert {(one.user, one.since) for one in untold} == {
            (one.user, one.since) for one in self.untold
        }
        for user in USERS:
            assert self.runner.run(self.tables.lock_of(user)) == self.locks.get(user)

    def teardown(self) -> None:
        self.runner.run(self.tables.aclose())
        self.runner.close()
        self.closing.close()


class LocalMachine(Machine):
    async def opened(self) -> SubmissionTables:
        directory = self.closing.enter_context(tempfile.TemporaryDirectory())
        return LocalSubmissionTables(Path(directory))


class ValkeyMachine(Machine):
    url = ""
    numbers: Iterator[int] = itertools.count()

    async def opened(self) -> SubmissionTables:
        return ValkeySubmissionTables(self.url, f"model{next(self.numbers)}:")


CHOSEN = settings(
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_sqlite_counts_as_the_model_does() -> None:
    run_state_machine_as_test(LocalMachine, settings=CHOSEN)


def test_valkey_counts_as_the_model_does(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ValkeyMachine, "url", valkey_url)
    # Without shrinking: each example makes a connection, and thousands of them take minutes.
    chosen = settings(CHOSEN, phases=(Phase.explicit, Phase.reuse, Phase.generate))
    run_state_machine_as_test(ValkeyMachine, settings=chosen)
