"""The image of the database as nodes of the zone: what the zone must be (DESIGN §7).

It depends on servers that are active or suspended, their keys and addresses, and on settings;
whatever changes one of them orders a publication in the same transaction.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Select, and_, func, select

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations.office import Work
from countersign.registrar.operations.server_keys import KeyPurpose
from countersign.registrar.publishing.listable import (
    can_be_listed,
    is_address,
    is_good_key,
    is_good_server,
)
from countersign.registry.lookup import Standing
from countersign.registry.zone.content import (
    HOSTS_AT_AN_ADDRESS,
    Apex,
    Listed,
    address_key,
    address_node,
    host_nodes,
    test_nodes,
)
from countersign.rules.life_cycle import PUBLISHED, State
from countersign.storage.database.holdings import ServerKey
from countersign.storage.database.publication import ServerAddress
from countersign.storage.database.servers import Server

Node = tuple[bytes, bytes]
"""Its key, and its records."""
FORM = 1
"""Counts the changes of what nodes are made from the same data: the whole zone is made anew."""
_STANDINGS = {State.ACTIVE: Standing.REGISTERED, State.SUSPENDED: Standing.SUSPENDED}
_ROWS_AT_ONCE = 2000
_ASKED_AT_ONCE = 500


def apex_of(config: RegistrarConfig) -> Apex:
    """Return what the zone says of itself."""
    publication = config.publication
    nameservers = publication.nameservers or ("localhost",)
    s_day = (("s-day", config.s_day.isoformat()),) if config.s_day else ()
    return Apex(
        primary=nameservers[0],
        mailbox=publication.contact,
        nameservers=nameservers,
        facts=(*s_day, ("url", config.url)),
        refresh=publication.refresh,
        retry=publication.retry,
        expire=publication.expire,
        negative_ttl=publication.negative_ttl,
        ttl=publication.ttl,
    )


def form_of(config: RegistrarConfig) -> str:
    """Return what all nodes depend on beside the data; see :data:`FORM`."""
    return f"{FORM} {config.zone} {config.publication.ttl}"


def image(work: Work) -> Iterator[Node]:
    """Give all nodes of the zone but its apex, from cursors, in no order."""
    rows = work.session.execute(_servers_with_keys(), execution_options=_streaming())
    for _, group in itertools.groupby(rows, key=lambda row: row.id):
        yield from _nodes(work.config, list(group)).items()
    at_addresses = (
        select(ServerAddress.address, Server.hostname)
        .join(Server, Server.id == ServerAddress.server_id)
        .where(Server.state == State.ACTIVE)
        .order_by(ServerAddress.address, Server.hostname)
    )
    tests = dict(test_nodes(work.config.publication.ttl))
    rows = work.session.execute(at_addresses, execution_options=_streaming())
    for address, group in itertools.groupby(rows, key=lambda row: row.address):
        hosts = [row.hostname for row in itertools.islice(group, HOSTS_AT_AN_ADDRESS)]
        if not is_address(address):
            continue
        key, node = _node_of_address(work.config, address, hosts)
        tests.pop(key, None)
        if node:
            yield key, node
    yield from tests.items()


def nodes_of(work: Work, hostnames: Iterable[str]) -> dict[str, dict[bytes, bytes]]:
    """Return the nodes of each host name's own names; none for what is not to be listed."""
    found: dict[str, dict[bytes, bytes]] = {name: {} for name in hostnames}
    for some in _in_portions(sorted(found)):
        statement = _servers_with_keys().where(Server.hostname.in_(some))
        rows = work.session.execute(statement)
        for _, group in itertools.groupby(rows, key=lambda row: row.id):
            of_one = list(group)
            found[of_one[0].hostname] = _nodes(work.config, of_one)
    return found


def nodes_of_addresses(work: Work, addresses: Iterable[str]) -> dict[bytes, bytes]:
    """Return the nodes of addresses by their keys; an empty one: nobody is registered there."""
    hosts: dict[str, list[str]] = {one: [] for one in addresses if is_address(one)}
    for some in _in_portions(sorted(hosts)):
        place = func.row_number().over(partition_by=ServerAddress.address, order_by=Server.hostname)
        ranked = (
            select(ServerAddress.address, Server.hostname, place.label("place"))
            .join(Server, Server.id == ServerAddress.server_id)
            .where(ServerAddress.address.in_(some), Server.state == State.ACTIVE)
            .subquery()
        )
        for address, hostname, _ in work.session.execute(
            select(ranked).where(ranked.c.place <= HOSTS_AT_AN_ADDRESS)
        ):
            hosts[address].append(hostname)
    return dict(_node_of_address(work.config, one, names) for one, names in hosts.items())


def addresses_of(work: Work, hostnames: Iterable[str]) -> set[str]:
    """Return all addresses that are known of servers with these host names, listed or not."""
    found: set[str] = set()
    for some in _in_portions(sorted(set(hostnames))):
        found.update(
            work.session.scalars(
                select(ServerAddress.address)
                .join(Server, Server.id == ServerAddress.server_id)
                .where(Server.hostname.in_(some))
            )
        )
    return found


def _servers_with_keys() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Server.id,
            Server.hostname,
            Server.state,
            Server.state_since,
            Server.public_reason,
            ServerKey.purpose,
            ServerKey.selector,
            ServerKey.content,
        )
        .outerjoin(
            ServerKey, and_(ServerKey.server_id == Server.id, ServerKey.revoked_at.is_(None))
        )
        .where(Server.state.in_(PUBLISHED))
        .order_by(Server.id, ServerKey.id)
    )


def _nodes(config: RegistrarConfig, rows: Sequence[Any]) -> dict[bytes, bytes]:
    """Return the nodes of one server: one row for each of its keys, or one without."""
    server = rows[0]
    pins = tuple(row.content for row in rows if row.purpose == KeyPurpose.TLS)
    if not is_good_server(server.hostname, pins, config.zone):
        return {}
    keys = {row.selector: row.content for row in rows if row.purpose == KeyPurpose.DKIM}
    listed = Listed(
        server.hostname,
        _STANDINGS[server.state],
        since=server.state_since.date(),
        reason=server.public_reason,
        pins=pins,
        keys=tuple(
            (selector, key)
            for selector, key in keys.items()
            if is_good_key(server.hostname, selector, key, config.zone)
        ),
    )
    return dict(host_nodes(listed, config.publication.ttl))


def _node_of_address(config: RegistrarConfig, address: str, hosts: Iterable[str]) -> Node:
    listed = [name for name in hosts if can_be_listed(name, config.zone)]
    return address_key(address), address_node(address, listed, config.publication.ttl)


def _in_portions(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(values), _ASKED_AT_ONCE):
        yield values[begin : begin + _ASKED_AT_ONCE]


def _streaming() -> dict[str, Any]:
    return {"yield_per": _ROWS_AT_ONCE}
