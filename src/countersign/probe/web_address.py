"""Where the registrar is: https, unless it is on this very machine. Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from countersign.probe.errors import ProbeError

_LONGEST = 300


def checked_registrar(text: str, *, insecure_http: bool) -> str:
    """Return a registrar's address as scheme, host and port. Raises :class:`ProbeError`.

    insecure_http: go without TLS to another machine, too.
    """
    url = text.strip().rstrip("/")
    shown = url[:_LONGEST]
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        raise ProbeError(f"{shown}: not an address; write https://HOST") from None
    is_whole = parts.scheme in ("http", "https") and parts.hostname and has_port
    if not is_whole or parts.username is not None or len(url) > _LONGEST or not url.isprintable():
        raise ProbeError(f"{shown}: write https://HOST")
    if parts.path or parts.query or parts.fragment or " " in url:
        raise ProbeError(f"{shown}: write https://HOST, without a path")
    if parts.scheme == "http" and not insecure_http and not _is_here(parts.hostname or ""):
        raise ProbeError(
            f"{shown}: write https://. Only a registrar on this very machine is asked without TLS "
            "(for a trial: --insecure-http)"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
