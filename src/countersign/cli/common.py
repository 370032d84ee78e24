"""What the commands share: the --config option, errors, reading the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from countersign.gateway.config import Config
from countersign.settings.file import ConfigError, load_config

DEFAULT_CONFIG = Path("/etc/countersign/gateway.toml")
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The gateway's configuration file.")
]

errors = Console(stderr=True, soft_wrap=True)


def fail(text: str, code: int = 2) -> NoReturn:
    """Print an error and end."""
    errors.print(text, style="red", markup=False, highlight=False)
    raise typer.Exit(code)


def read_config(path: Path) -> Config:
    """Return the configuration, or end with all that is wrong with it."""
    try:
        return load_config(path, Config)
    except ConfigError as error:
        fail(str(error))
