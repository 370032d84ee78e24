"""What a public secondary is to do, checked, before it is written for one program.

Everything here is pasted into a configuration file, so nothing is taken that could end a string
or a line there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Self

from countersign.registry.transfer.keys import TsigKey

MIN_REFRESH, MAX_REFRESH = 30, 900
"""Seconds. The longest time that a change can be missed for, where every NOTIFY is lost."""
MIN_RETRY, MAX_RETRY = 10, 300
"""Seconds."""
MIN_EXPIRE = 7 * 86400
"""Seconds. A copy goes on being served for this long at least when the registrar is gone."""
SIGNATURE_DAYS, RENEWAL_DAYS = 30, 15
"""How long a signature is valid, and when it is renewed: copies of the signed zone validate for
at least the difference after their signer is lost."""
ZONE_KEY_DAYS = 90
KEY_NAME_UNKNOWN = "name-of-the-key"
SECRET_UNKNOWN = "put-the-secret-of-the-key-here"  # noqa: S105
"""No base64, so that no server starts with it."""

_ZONE = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\Z")
_PATH = re.compile(r"/[A-Za-z0-9._/+-]{1,200}\Z")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}(:[a-z_][a-z0-9_-]{0,31})?\Z")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IP address with a port."""

    address: str
    port: int = 53

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``ADDRESS``, ``ADDRESS:PORT``, ``[IPV6]:PORT``. Raises :class:`ValueError`."""
        host, port = text, "53"
        if text.startswith("["):
            host, _, rest = text[1:].partition("]")
            port = rest.removeprefix(":") if rest else "53"
        elif text.count(":") == 1:
            host, _, port = text.partition(":")
        try:
            address = str(ip_address(host))
        except ValueError:
            raise ValueError(
                f"'{text}' is no address: write 192.0.2.1:53 or [2001:db8::1]:53"
            ) from None
        if "%" in address or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"'{text}' has no port from 1 to 65535")
        return cls(address, int(port))

    @property
    def is_ipv6(self) -> bool:
        """Whether it is an IPv6 address."""
        return isinstance(ip_address(self.address), IPv6Address)

    @property
    def with_at(self) -> str:
        """``ADDRESS@PORT``, as Knot and NSD write it."""
        return f"{self.address}@{self.port}"


@dataclass(frozen=True, slots=True)
class Notified:
    """A replica that is told of each change, and the name of the key that signs it."""

    endpoint: Endpoint
    key_name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A secondary of our hidden primary."""

    zones: tuple[str, ...]
    primaries: tuple[Endpoint, ...]
    listen: tuple[Endpoint, ...]
    key: TsigKey | None = None
    """What transfers from the primary are signed with; None: a placeholder is printed."""
    sign: bool = False
    transfer_keys: tuple[TsigKey, ...] = ()
    notified: tuple[Notified, ...] = ()
    rate_limit: int = 200
    """Answers a second to one network, before they are cut short and asked again over TCP."""
    directory: str = ""
    """Where everything is kept that the server writes; empty: where Debian's package does."""
    include: str = ""
    """The file with the keys; empty: where Debian's package keeps its configuration."""
    user: str = ""
    """What the server runs as; empty: the user of Debian's package."""

    @property
    def key_name(self) -> str:
        """The name of the key towards the primary."""
        return self.key.name if self.key else KEY_NAME_UNKNOWN

    @property
    def keys(self) -> tuple[TsigKey, ...]:
        """All keys that are known, each once, the primary's first."""
        own = (self.key,) if self.key else ()
        return tuple({key.name: key for key in (*own, *self.transfer_keys)}.values())


def make_plan(
    *,
    zones: Sequence[str],
    primaries: Sequence[str],
    listen: Sequence[str],
    notify: Sequence[str],
    key: TsigKey | None,
    transfer_keys: Sequence[TsigKey],
    sign: bool = False,
    rate_limit: int = 200,
    directory: Path | None = None,
    include: Path | None = None,
    user: str = "",
) -> Plan:
    """Check the options of a command. Raises :class:`ValueError` with what is wrong."""
    if user and not _USER.match(user):
        raise ValueError(f"'{user}' is no user: write USER or USER:GROUP")
    _refuse_two_secrets([*([key] if key else []), *transfer_keys])
    return Plan(
        zones=tuple(dict.fromkeys(_zone(zone) for zone in zones)),
        primaries=tuple(dict.fromkeys(Endpoint.parse(text) for text in primaries)),
        listen=tuple(dict.fromkeys(Endpoint.parse(text) for text in listen)),
        key=key,
        sign=sign,
        transfer_keys=tuple(transfer_keys),
        notified=tuple(_notified(text, transfer_keys) for text in notify),
        rate_limit=rate_limit,
        directory=_path(directory),
        include=_path(include),
        user=user,
    )


def _zone(text: str) -> str:
    plain = text.removesuffix(".").lower()
    if not _ZONE.match(plain) or len(plain) > 253:
        raise ValueError(f"'{text}' is no zone: write it as in registry.example")
    return plain


def _path(path: Path | None) -> str:
    if path is None:
        return ""
    if not _PATH.match(str(path)):
        raise ValueError(
            f"'{path}' must be an absolute path of letters, digits and the signs . _ / + -"
        )
    return str(path)


def _notified(text: str, keys: Sequence[TsigKey]) -> Notified:
    where, comma, name = text.partition(",")
    names = [key.name for key in keys]
    if not names:
        raise ValueError("--notify needs the replica's key too: give it with --allow-transfer-key")
    if not comma and len(names) > 1:
        raise ValueError(f"say which key signs the NOTIFY to {where}: {where},{names[0]}")
    name = name.strip().removesuffix(".").lower() if comma else names[0]
    if name not in names:
        raise ValueError(f"'{name}' is none of the keys given with --allow-transfer-key")
    return Notified(Endpoint.parse(where.strip()), name)


def _refuse_two_secrets(keys: Sequence[TsigKey]) -> None:
    known: dict[str, TsigKey] = {}
    for key in keys:
        if known.setdefault(key.name, key) != key:
            raise ValueError(f"there are two keys of the name {key.name}: give each its own")
