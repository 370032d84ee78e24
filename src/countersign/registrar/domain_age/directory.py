"""IANA's directory of RDAP servers (RFC 9224): from a domain to its registry's server. Pure."""

from __future__ import annotations

from typing import Any

MAX_ENTRIES = 20_000
MAX_SERVERS = 3
"""Servers of one registry that are tried."""

Directory = dict[str, tuple[str, ...]]
"""Base URLs by suffix; https first."""


class DirectoryError(ValueError):
    """The file is no directory of RDAP servers."""


def read_directory(document: Any) -> Directory:
    """Read the file for domains. Raises :class:`DirectoryError`."""
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, list) or len(services) > MAX_ENTRIES:
        raise DirectoryError("the directory has no list of services")
    directory: Directory = {}
    for service in services:
        if not (isinstance(service, list) and len(service) == 2):
            raise DirectoryError("a service of the directory cannot be read")
        suffixes, urls = (_texts(part) for part in service)
        ordered = tuple(sorted(urls, key=lambda url: not url.startswith("https:"))[:MAX_SERVERS])
        directory.update({suffix.lower().strip("."): ordered for suffix in suffixes})
    return directory


def servers_for(directory: Directory, domain: str) -> tuple[str, ...]:
    """Return the base URLs of the longest suffix that covers a domain (RFC 9224 §4)."""
    labels = domain.split(".")
    for start in range(1, len(labels)):
        found = directory.get(".".join(labels[start:]))
        if found is not None:
            return found
    return ()


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or len(values) > MAX_ENTRIES:
        raise DirectoryError("a service of the directory cannot be read")
    if not all(isinstance(value, str) and len(value) <= 500 for value in values):
        raise DirectoryError("a service of the directory cannot be read")
    return values
