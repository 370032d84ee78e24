"""Where a registrar keeps its files."""

from __future__ import annotations

import os
from pathlib import Path

from countersign.registrar.config import RegistrarConfig

_NAME = "countersign-registrar"


def state_directory(config: RegistrarConfig) -> Path:
    """Return the directory of the database, keys and mail."""
    if config.state_directory is not None:
        return config.state_directory
    if os.geteuid() == 0:
        return Path("/var/lib") / _NAME
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / _NAME


def keyring_file(config: RegistrarConfig) -> Path:
    """Return the file with the master keys."""
    return config.keyring or state_directory(config) / "keyring.json"


def database_url(config: RegistrarConfig) -> str:
    """Return the database's URL."""
    return (
        config.database or f"sqlite:///{(state_directory(config) / 'registrar.sqlite').absolute()}"
    )
