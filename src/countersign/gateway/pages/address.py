"""Where the pages are found, and what follows for TLS (DESIGN §5)."""

from __future__ import annotations

import ipaddress

from countersign.gateway.config import Config
from countersign.web.site import Site


def site_of(config: Config) -> Site:
    """Return the pages' own address: as configured, else made of where they listen.

    Raises :class:`~countersign.web.site.SiteError` for an address without TLS that is not this
    very machine's.
    """
    if config.pages.url:
        return Site.of(config.pages.url)
    host, _, port = config.pages.listen.rpartition(":")
    if not uses_tls(config):
        return Site.of(f"http://{host}:{port}")
    return Site.of(f"https://{config.hostname}:{port}")


def uses_tls(config: Config) -> bool:
    """Tell whether the pages are served with TLS: everywhere but on loopback.

    There a web server of this host stands before them, or nobody but this host comes.
    """
    host = config.pages.listen.rpartition(":")[0].strip("[]")
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
