"""countersign registrar primary: the hidden primary name server in a process of its own."""

from __future__ import annotations

import typer

from countersign.cli.common import fail
from countersign.cli.registrar_office import FileOption, read_registrar_config
from countersign.settings.log import configure_log


def primary(context: typer.Context, config: FileOption = None) -> None:
    """Serve the public zone to secondaries that have a TSIG key.

    The service does so itself, unless `primary.inside` is false. Secondaries and their keys are
    kept by `countersign registrar secondaries`.

    Example: countersign registrar primary --config /etc/countersign/registrar.toml
    """
    from countersign.registrar.opening import OpeningError
    from countersign.registrar.primary.alone import run_alone

    settings = read_registrar_config(context, config)
    configure_log(settings.log, primary=True)
    try:
        run_alone(settings)
    except OpeningError as error:
        fail(f"countersign registrar primary: {error}", 1)
