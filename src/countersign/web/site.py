"""The website's own address: what follows from it for cookies, hosts and passkeys."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit


class SiteError(Exception):
    """The configured address cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Site:
    """``url`` of the configuration, taken apart."""

    origin: str
    """Scheme, host and port as a browser writes them."""
    host: str
    """Host and port as a Host header has them."""
    name: str
    """The host's name."""
    secure: bool

    @classmethod
    def of(cls, url: str) -> Site:
        """Take an address apart. Raises :class:`SiteError`.

        Without TLS it must be this very machine: cookies and passwords would be in the clear.
        """
        parts = urlsplit(url.rstrip("/"))
        try:
            port = parts.port
        except ValueError:
            raise SiteError(f"{url}: not an address") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise SiteError(f"{url}: write https://HOST, without a path")
        if parts.path or parts.query or parts.fragment:
            raise SiteError(f"{url}: the website has a host of its own, without a path")
        secure = parts.scheme == "https"
        name = parts.hostname.lower()
        if not secure and not _is_this_machine(name):
            raise SiteError(f"{url}: write https://, only this machine itself goes without TLS")
        written = f"[{name}]" if ":" in name else name
        if port is not None and port != (443 if secure else 80):
            written = f"{written}:{port}"
        return cls(f"{parts.scheme}://{written}", written, name, secure)

    def cookie(self, name: str) -> str:
        """Return a cookie's name: one that other hosts of the domain cannot set."""
        return f"__Host-{name}" if self.secure else name

    @property
    def takes_passkeys(self) -> bool:
        """Tell whether passkeys can be bound to the host: it needs a name (WebAuthn §5.1.3)."""
        try:
            ipaddress.ip_address(self.name)
        except ValueError:
            return True
        return False


def _is_this_machine(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
