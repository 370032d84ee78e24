"""countersign gateway: the server beside an operator's MTA."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail, read_config
from countersign.settings.log import configure_log


def gateway(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Receive mail from verified servers, and send mail as one.

    Stops gracefully at SIGTERM or Ctrl-C (dialogues finish, none begin); reads its
    configuration again at SIGHUP, without a gap in service.

    Example: countersign gateway --config /etc/countersign/gateway.toml
    """
    from countersign.gateway.sockets import SupervisorError
    from countersign.gateway.supervisor import Supervisor

    settings = read_config(config)
    configure_log(settings.log)
    try:
        settings.state_directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        asyncio.run(Supervisor(config.absolute(), settings).run())
    except SupervisorError as error:
        fail(f"countersign gateway: {error}", 1)
    except OSError as error:
        fail(f"countersign gateway: {settings.state_directory}: {error.strerror}", 1)


def gateway_replica(config: ConfigOption, lifeline: Annotated[int, typer.Option()]) -> None:
    """Keep a gateway's copy of the registry's zone: started by its supervisor only."""
    from countersign.registry.replica.faults import ReplicaError
    from countersign.registry.replica.service import run_replica

    settings = read_config(Path(config))
    if settings.replica is None:
        fail('countersign gateway, replica: registry.kind is not "replica"', 1)
    configure_log(settings.log, process="replica")
    try:
        run_replica(settings.replica, lifeline=lifeline)
    except ReplicaError as error:
        fail(f"countersign gateway, replica: {error}", 1)


def gateway_clerk(config: ConfigOption, lifeline: Annotated[int, typer.Option()]) -> None:
    """Tell of locks, keep stores small, serve the pages: started by a gateway's supervisor only."""
    from countersign.gateway.clerk.service import run_clerk
    from countersign.storage.tables import TablesUnavailableError

    settings = read_config(Path(config))
    configure_log(settings.log, process="clerk")
    try:
        run_clerk(settings, lifeline=lifeline)
    except TablesUnavailableError as error:
        fail(f"countersign gateway, clerk: {error}", 1)


def gateway_worker(
    config: ConfigOption,
    index: Annotated[int, typer.Option()],
    ready: Annotated[int, typer.Option()],
    lifeline: Annotated[int, typer.Option()],
    socket: Annotated[list[str], typer.Option()],
) -> None:
    """Be a worker of a gateway: started by its supervisor only."""
    from countersign.gateway.secret import SecretError
    from countersign.gateway.tls import TlsError
    from countersign.gateway.worker import Inherited, run_worker
    from countersign.registry.lookup import RegistryUnavailableError
    from countersign.storage.tables import TablesUnavailableError

    settings = read_config(Path(config))
    configure_log(settings.log, worker=index)
    pairs = (one.partition(":") for one in socket)
    sockets = tuple((service, int(descriptor)) for service, _, descriptor in pairs)
    try:
        run_worker(settings, Inherited(sockets, ready, lifeline))
    except (TlsError, SecretError, RegistryUnavailableError, TablesUnavailableError) as error:
        fail(f"countersign gateway, worker {index}: {error}", 1)
