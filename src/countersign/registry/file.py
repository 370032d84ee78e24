"""The registry as a file, TOML or JSON, read again when it changes.

[[server]]
hostname = "mail.example.org"
standing = "registered"            # or "suspended"
pins = ["3 1 1 0123…"]             # TLSA form, optional
reason = "why it is suspended"
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import structlog

from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.registry.lookup import (
    KeyPin,
    RegistryEntry,
    RegistryUnavailableError,
    Standing,
)

log = structlog.get_logger()

MAX_FILE_SIZE = 256 * 1024 * 1024
_PIN = re.compile(r"(?:[0-3] )?([01]) ([012]) ([0-9a-fA-F]{2,8192})\Z")
_FIELDS = {"hostname", "standing", "pins", "reason"}


class RegistryFileError(RegistryUnavailableError):
    """The file cannot be read or understood; the message names the file, place and reason."""


class FileRegistry:
    """Looks hostnames up in a file."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises :class:`RegistryFileError`."""
        self._path = path
        self._mark = _change_mark(path)
        self._entries = load_registry_file(path)

    async def look_up(self, hostname: str) -> RegistryEntry:
        """Return the entry of a normalised hostname."""
        # A look at the file's state costs two microseconds: less than a clock to spare it.
        self._read_if_changed()
        return self._entries.get(hostname) or RegistryEntry(hostname, Standing.ABSENT)

    async def aclose(self) -> None:
        """Nothing is kept open."""

    def _read_if_changed(self) -> None:
        try:
            mark = _change_mark(self._path)
            if mark == self._mark:
                return
            self._entries = load_registry_file(self._path)
            self._mark = mark
            log.info("registry file read", servers=len(self._entries))
        except RegistryFileError as error:
            # The last good copy goes on serving: a slip of the pen must not stop all mail.
            log.error("registry file not usable, the last good copy serves", reason=str(error))


def load_registry_file(path: Path) -> dict[str, RegistryEntry]:
    """Return all entries by hostname. Raises :class:`RegistryFileError`."""
    try:
        if path.stat().st_size > MAX_FILE_SIZE:
            raise RegistryFileError(f"{path}: too big for a registry file")
        text = path.read_text("utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise RegistryFileError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        # JSON, TOML and UTF-8 errors all say where.
        raise RegistryFileError(f"{path}: {error}") from error
    servers = document.get("server") if isinstance(document, dict) else None
    if not isinstance(servers, list):
        raise RegistryFileError(f"{path}: there is no list named 'server' ([[server]] in TOML)")
    entries = {}
    for number, server in enumerate(servers, 1):
        try:
            entry = _parse_entry(server)
        except ValueError as error:
            raise RegistryFileError(f"{path}: server number {number}: {error}") from None
        entries[entry.hostname] = entry
    return entries


def parse_pin(text: str) -> KeyPin:
    """Parse ``[usage] selector matching-type hex`` (RFC 6698 §2.2). Raises :class:`ValueError`."""
    match = _PIN.match(" ".join(text.split()))
    if match is None:
        raise ValueError("a pin is written as in a TLSA record: 3 1 1 HEX")
    return KeyPin(int(match[1]), int(match[2]), bytes.fromhex(match[3]))


def _parse_entry(server: Any) -> RegistryEntry:
    if not isinstance(server, dict):
        raise ValueError("not a table")
    if unknown := sorted(server.keys() - _FIELDS):
        raise ValueError(f"unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    pins = server.get("pins", [])
    if not isinstance(pins, list):
        raise ValueError("pins must be a list")
    try:
        hostname = normalise_hostname(str(server.get("hostname", "")))
    except AddressSyntaxError as error:
        raise ValueError(f"hostname: {error}") from None
    standing = str(server.get("standing", Standing.REGISTERED))
    if standing not in (Standing.REGISTERED, Standing.SUSPENDED):
        raise ValueError("standing is 'registered' or 'suspended'")
    return RegistryEntry(
        hostname,
        Standing(standing),
        tuple(parse_pin(str(pin)) for pin in pins),
        str(server.get("reason", "")),
    )


def _change_mark(path: Path) -> tuple[int, int, int]:
    try:
        state = path.stat()
    except OSError as error:
        raise RegistryFileError(f"{path}: {error.strerror}") from error
    return state.st_mtime_ns, state.st_size, state.st_ino
