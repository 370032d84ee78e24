"""The secret that marks this host's (or farm's) session IDs (DESIGN §11, XEP-0220)."""

from __future__ import annotations

import secrets
from pathlib import Path

from countersign.gateway.once import create_once

MINIMUM = 32
"""Octets."""


class SecretError(Exception):
    """The secret cannot be used; the text says what to do."""


def load_secret(secret_file: Path | None, state_directory: Path) -> bytes:
    """Return the farm's secret, or this host's own, made at its first start.

    Raises :class:`SecretError`.
    """
    try:
        if secret_file is not None:
            secret = secret_file.read_bytes()
        else:
            secret = _own(state_directory / "secret")
    except OSError as error:
        raise SecretError(
            f"cannot read the secret: {error}; check storage.secret_file, or the permissions "
            f"of {state_directory}"
        ) from error
    if len(secret) < MINIMUM:
        raise SecretError(
            f"the secret in {secret_file or state_directory / 'secret'} has {len(secret)} octets "
            f"and needs {MINIMUM}: make one with 'openssl rand -out FILE 48'"
        )
    return secret


def _own(path: Path) -> bytes:
    if path.exists():
        return path.read_bytes()
    return create_once(path, secrets.token_bytes(48))
