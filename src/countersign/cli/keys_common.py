"""What the commands of `countersign keys` do it with, loaded only when one runs."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from countersign.cli.common import fail, read_config
from countersign.gateway.config import Config
from countersign.gateway.registrar_link.client import RegistrarClient
from countersign.gateway.registrar_link.errors import NotLinkedError, RegistrarError
from countersign.gateway.submission.key_file import KeyState, KeyStoreError, StoredKey
from countersign.gateway.submission.key_publishing import (
    Seen,
    key_name,
    look_for_key,
    publish_key,
    revoke_key,
)
from countersign.gateway.submission.keys import KeyStore, key_directory
from countersign.registry.dns_client import DnsClient, ResolutionFailedError

_STRING = 255
"""Octets of one string of a TXT record (RFC 1035 §3.3.14)."""


@contextmanager
def opened(config: Path, *, create: bool = False) -> Iterator[KeyStore]:
    """Give the keys of a gateway; what fails with them ends the command in one sentence."""
    state_directory = read_config(config).state_directory
    try:
        if create:
            state_directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        yield KeyStore(key_directory(state_directory))
    except OSError as error:
        fail(f"countersign keys: {state_directory}: {error.strerror}", 1)
    except NotLinkedError as error:
        fail(f"countersign keys: {error}; or see to the DNS yourself, and give --by-hand", 1)
    except (KeyStoreError, RegistrarError) as error:
        fail(f"countersign keys: {error}", 1)


def chosen(store: KeyStore, selectors: Sequence[str] | None, state: KeyState) -> list[StoredKey]:
    """Return the keys that are named, or all in a state; ends the command if there is none."""
    if selectors:
        return [store.key(one) for one in selectors]
    keys = [key for key in store.all() if key.state is state]
    if not keys:
        fail(f"no key is {state}: see countersign keys list", 1)
    return keys


def open_dns(config: Config) -> DnsClient:
    """Return what asks the gateway's resolver."""
    dns = config.dns
    return DnsClient(dns.nameservers, timeout=dns.timeout, lifetime=dns.lifetime)


@asynccontextmanager
async def open_registrar(config: Config) -> AsyncIterator[RegistrarClient]:
    """Give the registrar. Raises :class:`RegistrarError` if none is configured."""
    async with RegistrarClient(config.registrar, config.hostname) as registrar:
        yield registrar


def publish_all(config: Config, store: KeyStore, keys: Sequence[StoredKey]) -> None:
    """Send keys to the registrar. Raises :class:`RegistrarError` and :class:`KeyStoreError`."""

    async def work() -> None:
        async with open_registrar(config) as registrar:
            for key in keys:
                await publish_key(store, key, registrar, time.time())

    asyncio.run(work())


def revoke_one(config: Config, store: KeyStore, key: StoredKey) -> None:
    """Take a key back. Raises :class:`RegistrarError` and :class:`KeyStoreError`."""

    async def work() -> None:
        async with open_registrar(config) as registrar:
            await revoke_key(store, key, registrar, time.time())

    asyncio.run(work())


def require_in_dns(config: Config, keys: Sequence[StoredKey]) -> None:
    """End the command if the DNS does not have all keys, or cannot tell."""

    async def work() -> list[Seen]:
        dns = open_dns(config)
        return [await look_for_key(dns, key, config.hostname) for key in keys]

    try:
        seen = asyncio.run(work())
    except ResolutionFailedError as error:
        fail(f"the DNS cannot tell ({error}): try again, or see --unchecked", 1)
    missing = [key for key, one in zip(keys, seen, strict=True) if one is not Seen.KEY]
    for key in missing:
        fail(
            f"the DNS does not have key {key.selector} (yet), or has more than it, at "
            f"{key_name(key, config.hostname)}: countersign keys show {key.selector} prints what "
            "belongs there. Nothing was changed",
            1,
        )


def zone_lines(hostname: str, zone: str, keys: Sequence[StoredKey]) -> str:
    """Return the records for a host's own zone, as in a zone file."""
    lines = []
    if zone:
        lines += [
            "; Once, for all keys to come: everything below this name is looked up in the",
            "; registry's zone. Not if the name has keys of another program below it.",
            f"_domainkey.{hostname}. DNAME _domainkey.{hostname}.{zone}.",
        ]
    for key in keys:
        name = key_name(key, hostname)
        lines += ["", f"; {key.selector}: {key.kind}, {key.state}."]
        if zone:
            lines += [
                "; Without DNAME: an alias for this key,",
                f"{name}. CNAME {name}.{zone}.",
                "; or, without the registry, the key itself:",
            ]
        strings = " ".join(f'"{one}"' for one in re.findall(f".{{1,{_STRING}}}", key.record))
        lines.append(f"{'; ' if zone else ''}{name}. TXT {strings}")
    if not lines:
        lines = ["; There are no keys: countersign keys make"]
    return "\n".join(lines) + "\n"


def as_table(keys: Sequence[StoredKey]) -> Table:
    """Return keys for people."""
    table = Table("selector", "kind", "state", "since")
    for key in keys:
        table.add_row(key.selector, key.kind, key.state, moment(key.since))
    return table


def as_json_text(keys: Sequence[StoredKey]) -> str:
    """Return keys for programs; times in seconds since the epoch."""
    return json.dumps([key.model_dump(mode="json") for key in keys], indent=2)


def moment(seconds: float) -> str:
    """Return a time for people."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
