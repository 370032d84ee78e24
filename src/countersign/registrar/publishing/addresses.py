"""The addresses of registered servers, as the DNS has them: looked up again on a schedule.

A name that does not exist, or has no address of a family, has none there. Where the DNS does not
answer nobody can tell, and what was known stays.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations.office import Office, Work
from countersign.registry.dns_client import CachingClient, DnsClient, ResolutionFailedError
from countersign.rules.life_cycle import PUBLISHED
from countersign.storage.database.publication import ServerAddress
from countersign.storage.database.servers import Server

SERVERS_AT_ONCE = 500
"""Servers that one job looks up."""
ADDRESSES_OF_FAMILY = 32
"""Addresses of one family that a server is listed with at most."""
_ADDRESSES_IN_ORDER = 500
_TIMEOUT, _LIFETIME = 2.0, 6.0
_KINDS = {4: "A", 6: "AAAA"}


@dataclass(frozen=True, slots=True)
class Found:
    """What the DNS says of a server."""

    server_id: int
    families: dict[int, frozenset[str]]
    """Addresses by IP version; a version is missing where the DNS did not tell."""


def servers_after(work: Work, after: int) -> list[tuple[int, str]]:
    """Return key and host name of the next servers that have a place in the zone, by key."""
    rows = work.session.execute(
        select(Server.id, Server.hostname)
        .where(Server.id > after, Server.state.in_(PUBLISHED))
        .order_by(Server.id)
        .limit(SERVERS_AT_ONCE)
    )
    return [(row.id, row.hostname) for row in rows]


def look_up(config: RegistrarConfig, servers: Sequence[tuple[int, str]]) -> list[Found]:
    """Ask the DNS for the addresses of servers. Not for a thread with an event loop.

    servers: key and host name of each.
    """
    return asyncio.run(_look_up(config, servers))


def record(work: Work, findings: Iterable[Found]) -> int:
    """Store what was found, and order that it be published; returns how many addresses changed."""
    by_server = {one.server_id: one for one in findings}
    known: dict[int, set[str]] = {
        key: set()
        for key in work.session.scalars(
            select(Server.id).where(Server.id.in_(by_server), Server.state.in_(PUBLISHED))
        )
    }
    for row in work.session.scalars(
        select(ServerAddress).where(ServerAddress.server_id.in_(known))
    ):
        known[row.server_id].add(row.address)
    new: list[tuple[int, str]] = []
    gone: list[tuple[int, str]] = []
    for key in sorted(known):
        for version, addresses in by_server[key].families.items():
            before = {one for one in known[key] if _version(one) == version}
            new += ((key, one) for one in sorted(addresses - before))
            gone += ((key, one) for one in sorted(before - addresses))
    _insert(work, new)
    _remove(work, gone)
    return len(new) + len(gone)


def forget_those_who_left(office: Office) -> int:
    """Remove the addresses of servers that have no place in the zone any more, some at a time."""
    total = 0
    while True:
        with office.work() as work:
            rows = work.session.execute(
                select(ServerAddress.server_id, ServerAddress.address)
                .join(Server, Server.id == ServerAddress.server_id)
                .where(Server.state.not_in(PUBLISHED))
                .limit(_ADDRESSES_IN_ORDER)
            ).all()
            _remove(work, [(row.server_id, row.address) for row in rows])
        total += len(rows)
        if len(rows) < _ADDRESSES_IN_ORDER:
            return total


def _insert(work: Work, rows: Sequence[tuple[int, str]]) -> None:
    is_sqlite = work.session.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert if is_sqlite else postgresql.insert
    # Another look-up of the same server may have been first.
    statement = insert(ServerAddress).on_conflict_do_nothing()
    values = [{"server_id": key, "address": one, "found_at": work.now} for key, one in rows]
    if values:
        work.session.execute(statement, values)
    _order(work, rows)


def _remove(work: Work, rows: Sequence[tuple[int, str]]) -> None:
    for begin in range(0, len(rows), 100):
        these = [
            and_(ServerAddress.server_id == key, ServerAddress.address == one)
            for key, one in rows[begin : begin + 100]
        ]
        work.session.execute(delete(ServerAddress).where(or_(*these)))
    _order(work, rows)


def _order(work: Work, rows: Sequence[tuple[int, str]]) -> None:
    # Of suspended servers too: whoever reinstates one at this moment does not see this change.
    addresses = sorted({one for _, one in rows})
    for begin in range(0, len(addresses), _ADDRESSES_IN_ORDER):
        some = addresses[begin : begin + _ADDRESSES_IN_ORDER]
        work.order("publish", {"hosts": [], "addresses": some})


async def _look_up(config: RegistrarConfig, servers: Sequence[tuple[int, str]]) -> list[Found]:
    nameservers = config.certification.nameservers
    client = DnsClient(nameservers, timeout=_TIMEOUT, lifetime=_LIFETIME)
    places = asyncio.Semaphore(config.publication.resolve_concurrency)

    async def one(server_id: int, hostname: str) -> Found:
        async with places:
            return Found(server_id, await _families(client, hostname, config.reserved_names))

    return await asyncio.gather(*(one(*server) for server in servers))


async def _families(
    client: CachingClient, hostname: str, allow_reserved: bool
) -> dict[int, frozenset[str]]:
    answers = await asyncio.gather(
        *(client.ask(hostname, kind) for kind in _KINDS.values()), return_exceptions=True
    )
    families: dict[int, frozenset[str]] = {}
    for version, answer in zip(_KINDS, answers, strict=True):
        if isinstance(answer, ResolutionFailedError):
            continue
        if isinstance(answer, BaseException):
            raise answer
        if answer.data or answer.is_certain:
            texts = (str(one.address) for one in answer.data)
            families[version] = _listable(texts, allow_reserved)
    return families


def _listable(texts: Iterable[str], allow_reserved: bool) -> frozenset[str]:
    addresses = sorted({ipaddress.ip_address(text) for text in texts}, key=int)
    listable = [str(one) for one in addresses if _may_be_listed(one, allow_reserved)]
    return frozenset(listable[:ADDRESSES_OF_FAMILY])


def _may_be_listed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, allow_reserved: bool
) -> bool:
    if address.is_multicast or address.is_unspecified:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False
    return allow_reserved or address.is_global


def _version(address: str) -> int:
    return 6 if ":" in address else 4
