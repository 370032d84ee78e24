"""A resolver of its own for a foreign server, in a mount namespace: it asks what /etc says."""

from __future__ import annotations

from pathlib import Path

_SCRIPT = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


def with_resolver(directory: Path, nameserver: str) -> list[str]:
    """Return a command that runs another one, whose DNS is NAMESERVER (port 53). Needs root.

    The other command's process is the same, and ends by the same signals.
    """
    resolver = directory / "resolv.conf"
    resolver.write_text(f"nameserver {nameserver}\n")
    resolver.chmod(0o644)
    return ["unshare", "--mount", "sh", "-c", _SCRIPT, str(resolver)]
