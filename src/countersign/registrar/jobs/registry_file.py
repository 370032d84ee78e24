"""Writes the registry as a file for gateways beside the registrar (`registry/file.py` reads it).

The whole is written anew from one view of the database, server by server, and put in place by
renaming: a reader sees the old file or the new one. Many decisions at once cause one writing:
it ends all orders to publish that it could see.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import structlog
from sqlalchemy import and_, select

from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registrar.jobs.queue import finish
from countersign.registrar.operations.office import Office, Work
from countersign.registry.file import parse_pin
from countersign.registry.lookup import Standing
from countersign.rules.life_cycle import PUBLISHED, State
from countersign.storage.database.holdings import ServerKey
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.servers import Server

log = structlog.get_logger()

PUBLISH = "publish"
_AT_ONCE = 1000
_ORDERS_AT_ONCE = 10_000
_STANDINGS = {State.ACTIVE: Standing.REGISTERED, State.SUSPENDED: Standing.SUSPENDED}


def write_registry_file(office: Office) -> list[int]:
    """Write the file, if one is configured, and return the orders to publish that it answers.

    Raises :class:`OSError` if it cannot be written.
    """
    path = office.config.registry_file
    if path is None:
        return []
    # Of two writers the later must also have looked later.
    with _locked(path), office.reading() as work:
        answered = list(
            work.session.scalars(
                select(Job.id)
                .where(Job.kind == PUBLISH, Job.state == JobState.WAITING, Job.worker == "")
                .limit(_ORDERS_AT_ONCE)
            )
        )
        with _replacing(path) as file:
            servers = _write(file, _entries(work), as_json=path.suffix == ".json")
    log.info("registry file written", servers=servers, orders=len(answered))
    return answered


def end_orders(work: Work, orders: list[int]) -> None:
    """Mark orders done that a writing has answered, but for those that another worker is at."""
    mine = work.session.scalars(
        select(Job)
        .where(Job.id.in_(orders), Job.state == JobState.WAITING, Job.worker == "")
        .order_by(Job.id)
        .with_for_update(skip_locked=True)
    )
    for job in mine.all():
        finish(work, job)


def _entries(work: Work) -> Iterator[dict[str, Any]]:
    """Give what the file says of each server, by host name, from a cursor."""
    rows = work.session.execute(
        select(Server.hostname, Server.state, Server.public_reason, ServerKey.content)
        .outerjoin(
            ServerKey,
            and_(
                ServerKey.server_id == Server.id,
                ServerKey.purpose == "tls",
                ServerKey.revoked_at.is_(None),
            ),
        )
        .where(Server.state.in_(PUBLISHED))
        .order_by(Server.hostname, Server.id, ServerKey.id),
        execution_options={"yield_per": _AT_ONCE},
    )
    for hostname, group in itertools.groupby(rows, key=lambda row: row.hostname):
        keys = list(group)
        entry: dict[str, Any] = {
            "hostname": hostname,
            "standing": str(_STANDINGS[keys[0].state]),
        }
        if pins := [row.content for row in keys if row.content is not None]:
            entry["pins"] = pins
        if keys[0].state is State.SUSPENDED and keys[0].public_reason:
            entry["reason"] = keys[0].public_reason
        if _is_good(entry):
            yield entry


def _is_good(entry: dict[str, Any]) -> bool:
    """Tell whether gateways can read an entry: one that they cannot would cost them the file."""
    try:
        normalise_hostname(entry["hostname"])
        for pin in entry.get("pins", ()):
            parse_pin(pin)
    except (AddressSyntaxError, ValueError) as error:
        log.error("server left out of the registry file", host=entry["hostname"], reason=str(error))
        return False
    return True


def _write(file: IO[str], entries: Iterator[dict[str, Any]], *, as_json: bool) -> int:
    """Write all entries and return how many there were."""
    count = 0
    file.write('{"server": [' if as_json else "server = [")
    for count, entry in enumerate(entries, 1):
        if as_json:
            file.write(",\n" if count > 1 else "\n")
            file.write(json.dumps(entry, ensure_ascii=False))
        else:
            pairs = ", ".join(f"{name} = {_toml(value)}" for name, value in entry.items())
            file.write(f"\n    {{ {pairs} }},")
    file.write("\n]}\n" if as_json else "\n]\n")
    return count


def _toml(value: str | list[str]) -> str:
    # TOML's basic strings and lists of them are JSON's, but for one character (TOML 1.0.0).
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[str]]:
    """Give a file that takes the path's place when the block ends well, durably."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            yield file
            file.flush()
            # Gateways run under their own user, and what is in it is public.
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
