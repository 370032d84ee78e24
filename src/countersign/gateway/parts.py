"""What the services of one worker share: opened once, closed together."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from countersign.gateway.config import Config
from countersign.gateway.metrics import Metrics
from countersign.gateway.secret import load_secret
from countersign.gateway.tls import client_context, server_context
from countersign.registry.copy_lookup import CopyRegistry, OnStale
from countersign.registry.dns_client import CachingClient, DnsClient
from countersign.registry.file import FileRegistry
from countersign.registry.lookup import Registry
from countersign.registry.name_list import NameListRegistry
from countersign.registry.secure_dns_client import DnsSecurity, open_dns_client
from countersign.storage.opening import open_tables
from countersign.storage.tables import Tables
from countersign.transport.resolver import Resolver

if TYPE_CHECKING:
    from countersign.gateway.submission.parts import SubmissionParts


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one worker."""

    config: Config
    tables: Tables
    registry: Registry
    resolver: Resolver
    metrics: Metrics
    secret: bytes
    server_tls: ssl.SSLContext
    client_tls: ssl.SSLContext
    submission: SubmissionParts | None = None
    """None: users neither submit mail here nor by a milter."""

    async def close(self) -> None:
        """Release everything; the session rows of this process are deleted."""
        if self.submission is not None:
            await self.submission.close()
        await self.registry.aclose()
        await self.tables.aclose()


def open_parts(config: Config, metrics: Metrics | None = None) -> Parts:
    """Open everything that the configuration names.

    Raises :class:`~countersign.gateway.tls.TlsError`,
    :class:`~countersign.gateway.secret.SecretError`,
    :class:`~countersign.registry.file.RegistryFileError` and
    :class:`~countersign.storage.tables.TablesUnavailableError`, whose texts say what to do.
    """
    resolver = open_resolver(config)
    secret = load_secret(config.storage.secret_file, config.state_directory)
    server_tls, client_tls = server_context(config), client_context(config)
    registry = open_registry(config, resolver.client)
    metrics = metrics or Metrics()
    return Parts(
        config=config,
        tables=open_tables(config.storage.url, config.state_directory),
        registry=registry,
        resolver=resolver,
        metrics=metrics,
        secret=secret,
        server_tls=server_tls,
        client_tls=client_tls,
        submission=_open_submission(config, metrics),
    )


def _open_submission(config: Config, metrics: Metrics) -> SubmissionParts | None:
    if not (config.submission.enabled or config.milter.enabled):
        return None
    # Imported here: a worker without submission stays small.
    from countersign.gateway.submission.parts import open_submission

    return open_submission(config, metrics)


def open_resolver(config: Config) -> Resolver:
    """Return the resolver that the configuration names."""
    settings = config.dns
    client = DnsClient(settings.nameservers, timeout=settings.timeout, lifetime=settings.lifetime)
    return Resolver(client)


def open_registry(config: Config, client: CachingClient | None = None) -> Registry:
    """Return the registry that the configuration names.

    Raises :class:`~countersign.registry.file.RegistryFileError`.
    """
    source, copy = config.registry, config.replica
    if source.kind == "file":
        return FileRegistry(source.path)
    by_dns = open_name_list(config, client)
    if copy is None:
        return by_dns
    return CopyRegistry(
        copy.directory,
        copy.zone,
        max_age=copy.replica.max_age_seconds,
        on_stale=OnStale(copy.replica.on_stale),
        fallback=by_dns,
    )


def open_name_list(config: Config, client: CachingClient | None = None) -> NameListRegistry:
    """Return the registry's zone as the resolver knows it."""
    return NameListRegistry(config.registry.zone, _registry_client(config, client))


def _registry_client(config: Config, client: CachingClient | None) -> CachingClient:
    source, settings = config.registry, config.dns
    security = DnsSecurity(source.dns_security)
    if client is not None and security is DnsSecurity.NONE:
        return client
    return open_dns_client(
        security,
        settings.nameservers,
        timeout=settings.timeout,
        lifetime=settings.lifetime,
        zone=source.zone,
        trust_anchors=source.trust_anchors,
    )
