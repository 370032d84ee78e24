"""What a probe must not lose when it is killed: orders that it has taken, results to be delivered.

Below the state directory, mode 0600, named by the order's number:

- ``orders/ID.json``: an order, from when it was taken until there is a result;
- ``results/ID.json``: a result, until the registrar has it. First a line with the time until
  which the registrar takes it, then the result as it is posted.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import ValidationError

from countersign.certification.exchange import MAX_RESULT, SignedOrder
from countersign.probe.errors import ProbeError
from countersign.probe.files import PRIVATE, read_bounded, sync_directory, write_private

log = structlog.get_logger()

_MAX_ORDER = 512 * 1024
_MAX_HEAD = 200
_LONGEST_NAME = 20


@dataclass(frozen=True, slots=True)
class KeptOrder:
    """An order that was begun, and has no result."""

    signed: SignedOrder
    begun: int
    """How often it was begun."""


@dataclass(frozen=True, slots=True)
class Result:
    """What is to be delivered."""

    order: int
    ends_at: datetime.datetime
    """The registrar does not take it later."""
    octets: bytes
    """JSON."""


class Keeping:
    """The files of one probe. Methods raise :class:`OSError` unless they say otherwise."""

    def __init__(self, directory: Path) -> None:
        """Make the directories. Raises :class:`ProbeError`."""
        self._directory = directory
        self._orders = directory / "orders"
        self._results = directory / "results"
        try:
            for one in (directory, self._orders, self._results):
                one.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ProbeError(f"{error.filename}: {error.strerror}") from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other probes from these files during the block. Raises :class:`ProbeError`."""
        path = self._directory / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        except OSError as error:
            raise ProbeError(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ProbeError(f"{self._directory}: another probe runs with this directory") from None
        try:
            yield
        finally:
            os.close(descriptor)

    def keep_order(self, order: int, kept: KeptOrder) -> None:
        """Keep an order that is begun now."""
        value = {"begun": kept.begun, **kept.signed.model_dump()}
        write_private(self._orders / f"{order}.json", json.dumps(value).encode())

    def drop_order(self, order: int) -> None:
        """Forget an order."""
        (self._orders / f"{order}.json").unlink(missing_ok=True)

    def orders(self) -> dict[int, KeptOrder]:
        """Return the orders that were begun and have no result; what cannot be read is removed."""
        found: dict[int, KeptOrder] = {}
        for number, path in _numbered(self._orders):
            try:
                value = json.loads(read_bounded(path, _MAX_ORDER) or b"")
                begun = int(value.pop("begun"))
                found[number] = KeptOrder(SignedOrder.model_validate(value), begun)
            except (ValueError, ValidationError, KeyError, TypeError, AttributeError):
                _remove_unreadable(path)
        return found

    def keep_result(self, result: Result) -> None:
        """Keep a result; its order needs no keeping from then on."""
        head = json.dumps({"ends_at": result.ends_at.isoformat()}).encode()
        write_private(self._results / f"{result.order}.json", head + b"\n" + result.octets)
        self.drop_order(result.order)

    def drop_result(self, order: int) -> None:
        """Forget a result: the registrar has it, or will never take it."""
        (self._results / f"{order}.json").unlink(missing_ok=True)
        sync_directory(self._results)

    def results(self) -> list[int]:
        """Return the numbers of the orders whose results are here."""
        return sorted(number for number, _ in _numbered(self._results))

    def result(self, order: int) -> Result | None:
        """Return a result; None: it cannot be read, and is removed."""
        path = self._results / f"{order}.json"
        octets = read_bounded(path, MAX_RESULT + _MAX_HEAD) or b""
        head, _, body = octets.partition(b"\n")
        try:
            ends_at = datetime.datetime.fromisoformat(json.loads(head)["ends_at"])
            if ends_at.tzinfo is not None and body:
                return Result(order, ends_at, body)
        except (ValueError, KeyError, TypeError):
            pass
        _remove_unreadable(path)
        return None


def _numbered(directory: Path) -> Iterator[tuple[int, Path]]:
    for path in sorted(directory.glob("*.json")):
        if path.stem.isascii() and path.stem.isdigit() and len(path.stem) < _LONGEST_NAME:
            yield int(path.stem), path


def _remove_unreadable(path: Path) -> None:
    log.error("a file that cannot be read was removed", file=str(path))
    path.unlink(missing_ok=True)
