"""A registrar's database: made once for all tests, and copied for each."""

from __future__ import annotations

import datetime
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.jobs.schedule import ADDRESSES, order_daily
from countersign.registrar.opening import open_office
from countersign.registrar.operations.office import Office
from countersign.rules.life_cycle import State
from countersign.storage.database.holdings import ServerKey
from countersign.storage.database.jobs import Job
from countersign.storage.database.publication import ServerAddress
from countersign.storage.database.servers import ApplicantKind, Server
from tests.registrar.operations import life, treasury
from tests.registrar.publishing.making import PIN, SIGNING, SINCE

ZONE = "registry.example"
MANY = 200
LIVELY = 4


@dataclass(frozen=True)
class Data:
    """A state directory with a database that nobody has open."""

    state: Path
    lively: list[tuple[int, str]]
    """Key and host name of servers with a whole history, about which people can decide."""

    def copy_to(self, state: Path) -> None:
        shutil.copytree(self.state, state)


def make_data(directory: Path) -> Data:
    """Make it; nothing is published yet."""
    state = directory / "state"
    config = RegistrarConfig.model_validate(
        {"state_directory": state, "zone": ZONE, "reserved_names": True}
    )
    office = open_office(config)
    add_servers(office, MANY)
    lively = [treasury.make_active(office) for _ in range(LIVELY)]
    for role in (treasury.adjudicator, treasury.treasurer):
        role(office)
    with office.work() as work:
        # What was ordered on the way asks other people's servers; so would the look at the
        # addresses of all, and letters are none of this: that round goes on in a year.
        work.session.execute(delete(Job))
        later = work.now + datetime.timedelta(days=365)
        work.order(ADDRESSES, {"after": 0}, run_at=later)
        names = [(key, work.session.get_one(Server, key).hostname) for key in lively]
    order_daily(office)
    with office.work() as work:
        for job in work.session.scalars(select(Job).where(Job.kind == "daily")):
            job.run_at = later
    office.database.close()
    return Data(state, names)


def add_servers(office: Office, count: int, prefix: str = "mx") -> list[int]:
    """Add servers of all kinds, with addresses and keys, at once; order nothing."""
    owner = life.make_account(office, life.OWNER_EMAIL)
    with office.work() as work:
        rows = [_server(f"{prefix}{number}", number, owner) for number in range(count)]
        statement = insert(Server).returning(Server.id, sort_by_parameter_order=True)
        keys = list(work.session.scalars(statement, rows))
        addresses, pins = [], []
        for number, key in enumerate(keys):
            for address in _addresses(number):
                addresses.append({"server_id": key, "address": address, "found_at": work.now})
            pins += _keys(number, key, work.now)
        if addresses:
            work.session.execute(insert(ServerAddress), addresses)
        if pins:
            work.session.execute(insert(ServerKey), pins)
    return keys


def change_many(office: Office, keys: list[int], **columns: Any) -> None:
    """Change servers' rows in one transaction, and order that they be published."""
    with office.work() as work:
        found = work.session.scalars(select(Server).where(Server.id.in_(keys)))
        hosts = []
        for server in found:
            for name, value in columns.items():
                setattr(server, name, value)
            hosts.append(server.hostname)
        work.order("publish", {"hosts": hosts, "addresses": []})


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite file that others have open, as a backup does."""
    with sqlite3.connect(source) as one, sqlite3.connect(target) as other:
        one.backup(other)
    one.close()
    other.close()


def _server(label: str, number: int, owner: int) -> dict[str, Any]:
    is_suspended = number % 9 == 4
    return {
        "hostname": f"{label}.host{number % 50}.example.org",
        "state": State.SUSPENDED if is_suspended else State.ACTIVE,
        "state_since": SINCE,
        "owner_id": owner,
        "kind": ApplicantKind.INDIVIDUAL,
        "created_at": SINCE,
        "public_reason": f'Spam no. {number} "of a day" was sent.' if is_suspended else "",
        "version": 1,
    }


def _addresses(number: int) -> list[str]:
    # Some have none, some share one, some have both kinds.
    if number % 5 == 0:
        return []
    return [f"192.0.2.{number % 100}", *([f"2001:db8::{number:x}"] if number % 3 == 0 else [])]


def _keys(number: int, server: int, now: datetime.datetime) -> list[dict[str, Any]]:
    made = {"server_id": server, "registered_at": now, "purpose": "tls", "selector": ""}
    pins = [{**made, "content": PIN}] if number % 4 == 0 else []
    if number % 7 == 0:
        pins.append({**made, "purpose": "dkim", "selector": "s1", "content": SIGNING})
    return pins
