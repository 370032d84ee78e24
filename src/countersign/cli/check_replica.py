"""What `countersign check config` says of a gateway's copy of the registry."""

from __future__ import annotations

import asyncio

from countersign.gateway.config import Config
from countersign.registry.copy.errors import CopyError
from countersign.registry.replica.asking import SerialAsker
from countersign.registry.replica.faults import ReplicaError
from countersign.registry.replica.service import load_key
from countersign.registry.replica.settings import ReplicaConfig
from countersign.registry.replica.standing import look_at
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.zone.names import zone_wire


def replica_warnings(config: Config) -> list[str]:
    """Return what is wrong with the copy, its key and its primaries."""
    replica = config.replica
    if replica is None:
        return []
    return [*_about_primaries(replica), *_about_copy(config, replica)]


def _about_primaries(replica: ReplicaConfig) -> list[str]:
    if not replica.replica.primaries:
        return [
            "registry.replica.primaries: none is given, so that each look-up asks the DNS unless "
            "another process keeps a copy here"
        ]
    try:
        key = load_key(replica)
    except ReplicaError as error:
        return [f"registry.{error}"]
    return asyncio.run(_ask_all(replica, key))


async def _ask_all(replica: ReplicaConfig, key: TsigKey) -> list[str]:
    settings = replica.replica
    asker = SerialAsker(
        zone_wire(replica.zone), key, settings.source_address, settings.question_timeout
    )
    answers = await asyncio.gather(
        *(asker.ask(endpoint) for endpoint in settings.primaries), return_exceptions=True
    )
    warnings = []
    for endpoint, answer in zip(settings.primaries, answers, strict=True):
        if isinstance(answer, ReplicaError):
            warnings.append(f"registry.replica.primaries {endpoint}: {answer}")
        elif isinstance(answer, BaseException):
            raise answer
    return warnings


def _about_copy(config: Config, replica: ReplicaConfig) -> list[str]:
    try:
        standing = look_at(replica)
    except CopyError as error:
        return [f"registry.replica: {error}"]
    if standing.meta is None:
        if config.registry.replica.run or not replica.replica.primaries:
            # It comes with the first start.
            return []
        return [
            f"registry.replica: there is no copy in {replica.directory}, and run is false: does "
            "countersign replica run on this host?"
        ]
    if standing.is_stale:
        return [f"registry.replica: the copy is stale: {standing.why_stale}"]
    return []
