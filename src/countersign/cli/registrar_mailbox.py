"""countersign registrar mailbox: the test mailbox in a process of its own."""

from __future__ import annotations

import typer

from countersign.cli.common import fail
from countersign.cli.registrar_office import FileOption, read_registrar_config
from countersign.settings.log import configure_log


def mailbox(context: typer.Context, config: FileOption = None) -> None:
    """Receive mail to test addresses: proof that a server relays, or sends bounces.

    The service does so itself, unless `certification.mailbox.inside` is false. The MX of
    `certification.foreign_domain` must lead to it.

    Example: countersign registrar mailbox --config /etc/countersign/registrar.toml
    """
    from countersign.registrar.mailbox.alone import run_alone
    from countersign.registrar.opening import OpeningError

    settings = read_registrar_config(context, config)
    configure_log(settings.log, mailbox=True)
    try:
        run_alone(settings)
    except OpeningError as error:
        fail(f"countersign registrar mailbox: {error}", 1)
