"""Public keys on their way: to the registrar and back, and whether the DNS has them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from countersign.gateway.registrar_link.answers import RegisteredKey
from countersign.gateway.registrar_link.client import RegistrarClient
from countersign.gateway.submission.key_file import KeyStoreError, StoredKey
from countersign.gateway.submission.keys import KeyStore
from countersign.mail.dkim.key_record import normalise_key_record
from countersign.registry.dns_client import CachingClient

_DKIM = "dkim"


class SelectorTakenError(KeyStoreError):
    """The registrar has another key of this server under the selector."""


class Seen(StrEnum):
    """What the DNS has for a selector."""

    KEY = "key"
    NOTHING = "nothing"
    OTHER = "other"
    """A record that is not our key, or several."""


def key_name(key: StoredKey, hostname: str) -> str:
    """Return the name at which verifiers look for a key (RFC 6376 §3.6.2.1)."""
    return f"{key.selector}._domainkey.{hostname}"


async def publish_key(
    store: KeyStore, key: StoredKey, registrar: RegistrarClient, at: float
) -> StoredKey:
    """Register a key, and note it. Done once, however often it is called.

    Raises :class:`KeyStoreError` and
    :class:`~countersign.gateway.registrar_link.errors.RegistrarError`.
    """
    there = await _registered(registrar, key.selector)
    if there is None:
        await registrar.register_key(key.record, key.selector)
    elif there.content != key.record:
        raise SelectorTakenError(
            f"the registrar has another key with selector {key.selector}: make one with another"
        )
    return store.publish(key.selector, at)


async def revoke_key(
    store: KeyStore, key: StoredKey, registrar: RegistrarClient, at: float
) -> StoredKey:
    """Take a key back from the registrar, and note it; the private half is deleted.

    Raises :class:`KeyStoreError` and
    :class:`~countersign.gateway.registrar_link.errors.RegistrarError`.
    """
    there = await _registered(registrar, key.selector)
    # Another key under this selector is none of ours.
    if there is not None and there.content == key.record:
        await registrar.revoke_key(there.id)
    return store.revoke(key.selector, at)


async def look_for_key(dns: CachingClient, key: StoredKey, hostname: str) -> Seen:
    """Ask the DNS for a key as a verifier does, aliases followed.

    Raises :class:`~countersign.registry.dns_client.ResolutionFailedError`: it could not tell.
    """
    answer = await dns.ask(key_name(key, hostname), "TXT", fresh=True)
    if not answer.data:
        return Seen.NOTHING
    # What several records mean is undefined (RFC 6376 §3.6.2.2).
    is_ours = len(answer.data) == 1 and _record(answer.data[0]) == key.record
    return Seen.KEY if is_ours else Seen.OTHER


async def _registered(registrar: RegistrarClient, selector: str) -> RegisteredKey | None:
    for there in await registrar.keys():
        if there.purpose == _DKIM and there.selector == selector:
            return there
    return None


def _record(data: Any) -> str | None:
    try:
        return normalise_key_record(b"".join(data.strings).decode("ascii"))
    except ValueError:
        return None
