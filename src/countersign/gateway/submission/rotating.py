"""Does what is due with the keys that sign mail: all of a rotation, step by step."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from countersign.gateway.registrar_link.client import RegistrarClient
from countersign.gateway.registrar_link.errors import RegistrarError
from countersign.gateway.submission.key_file import KeyKind, KeyStoreError, make_private_directory
from countersign.gateway.submission.key_publishing import (
    Seen,
    SelectorTakenError,
    look_for_key,
    publish_key,
    revoke_key,
)
from countersign.gateway.submission.keys import KeyStore
from countersign.gateway.submission.rotation import DAY, Policy, Step, StepKind, steps
from countersign.registry.dns_client import CachingClient, ResolutionFailedError


class Outcome(StrEnum):
    """How a step went."""

    DONE = "done"
    WAITS = "waits"
    """The DNS does not have the key yet, or cannot tell."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a step."""

    step: Step
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation works with."""

    store: KeyStore
    registrar: RegistrarClient | None
    """None: none is configured, and nothing can be published or revoked."""
    dns: CachingClient
    hostname: str
    clock: Callable[[], float]
    """Seconds since the epoch."""
    policy: Policy = field(default_factory=Policy)

    def steps(self, kinds: Sequence[KeyKind]) -> list[Step]:
        """Return what is to be done, the earliest due first."""
        return steps(self.store.all(), kinds, self.clock(), self.policy)

    async def rotate(self, kinds: Sequence[KeyKind]) -> list[Report]:
        """Do all that is due now; a key that a step was done with may be due for the next one.

        A step that fails keeps the others from nothing. Raises :class:`KeyStoreError` if the
        keys cannot be read, or another process is rotating them.
        """
        reports: list[Report] = []
        with self._alone():
            while due := self._due(kinds, reports):
                reports.append(await self._do(due))
        return reports

    def _due(self, kinds: Sequence[KeyKind], reports: Sequence[Report]) -> Step | None:
        tried = {(one.step.kind, one.step.key_kind, one.step.selector) for one in reports}
        for step in self.steps(kinds):
            is_new = (step.kind, step.key_kind, step.selector) not in tried
            if is_new and step.due <= self.clock():
                return step
        return None

    async def _do(self, step: Step) -> Report:
        try:
            reason = await self._try(step)
        except ResolutionFailedError as error:
            return Report(step, Outcome.WAITS, f"the DNS cannot tell: {error}")
        except SelectorTakenError:
            # Of another gateway with our name. Nobody has seen our key yet: the next call makes
            # another one.
            self.store.revoke(step.selector, self.clock())
            return Report(step, Outcome.WAITS, "its selector is taken: another key will be made")
        except (KeyStoreError, RegistrarError) as error:
            return Report(step, Outcome.FAILED, str(error))
        return Report(step, Outcome.WAITS if reason else Outcome.DONE, reason)

    async def _try(self, step: Step) -> str:
        """Do a step; return what it waits for."""
        now = self.clock()
        if step.kind is StepKind.MAKE:
            self.store.make(step.key_kind, now)
            return ""
        key = self.store.key(step.selector)
        if step.kind is StepKind.ACTIVATE:
            seen = await look_for_key(self.dns, key, self.hostname)
            if seen is Seen.KEY:
                self.store.activate(key.selector, now)
                return ""
            if now - key.since > DAY:
                raise KeyStoreError(f"not in the DNS after a day: {_WORDS[seen]}")
            return _WORDS[seen]
        if self.registrar is None:
            raise KeyStoreError(
                "no registrar is configured: set registrar.url and token_file, or put the keys "
                "into the DNS yourself: countersign keys publish --by-hand"
            )
        work = publish_key if step.kind is StepKind.PUBLISH else revoke_key
        await work(self.store, key, self.registrar, now)
        return ""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other rotations out: two would make two keys where one is due."""
        directory = self.store.directory
        try:
            make_private_directory(directory)
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise KeyStoreError(f"cannot open {directory}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise KeyStoreError("another process is rotating the keys") from None
            yield
        finally:
            os.close(lock)


_WORDS = {
    Seen.NOTHING: "the DNS has no record of it",
    Seen.OTHER: "the DNS has another record at its name, or several",
}
