"""What the registrar's commands share: the configuration, and opening the office."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countersign.cli.common import fail
from countersign.registrar.config import RegistrarConfig
from countersign.settings.file import ConfigError, load_config
from countersign.settings.log import configure_log
from countersign.settings.values import Log

if TYPE_CHECKING:
    from countersign.registrar.operations.office import Office

DEFAULT_CONFIG = Path("/etc/countersign/registrar.toml")
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help=f"Configuration file; default: {DEFAULT_CONFIG} if there is one, else none.",
    ),
]


def read_registrar_config(context: typer.Context, file: Path | None) -> RegistrarConfig:
    """Return the configuration, or end with all that is wrong with it.

    file: of the command; else the one that was named before the command counts.
    """
    path = file or context.obj
    if path is None:
        if not DEFAULT_CONFIG.exists():
            return RegistrarConfig()
        path = DEFAULT_CONFIG
    try:
        return load_config(path, RegistrarConfig)
    except ConfigError as error:
        fail(str(error))


@contextmanager
def open_or_fail(context: typer.Context, file: Path | None) -> Iterator[Office]:
    """Give the office of a command, or end with the reason."""
    from countersign.registrar.opening import OpeningError, open_office
    from countersign.registrar.operations.office import OperationError

    settings = read_registrar_config(context, file)
    configure_log(Log(level="warning", format="console"))
    try:
        office = open_office(settings)
    except OpeningError as error:
        fail(str(error), 1)
    try:
        yield office
    except OperationError as error:
        fail(str(error), 1)
    finally:
        office.database.close()
