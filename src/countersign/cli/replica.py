"""countersign replica: keeps a copy of the registry's zone on this host."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from countersign.cli.common import DEFAULT_CONFIG, fail
from countersign.cli.replica_status import as_table, as_values
from countersign.gateway.config import Config
from countersign.registry.copy.errors import CopyError
from countersign.registry.replica.faults import ReplicaError
from countersign.registry.replica.notes import ACCEPT_SHRINK, RESET, give_word, read_state
from countersign.registry.replica.settings import ReplicaConfig
from countersign.registry.replica.standing import look_at
from countersign.settings.file import ConfigError, load_config
from countersign.settings.log import configure_log

OWN_CONFIG = Path("/etc/countersign/replica.toml")
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help=f"A replica's configuration file, or a gateway's; default: {OWN_CONFIG} if there is "
        f"one, else {DEFAULT_CONFIG}.",
    ),
]

app = typer.Typer(
    help="Keep a copy of the registry's zone on this host, and look after it.\n\n"
    "A gateway does so itself; run one by itself where several gateways share a host, each with "
    "`registry.replica.run = false` and the same `directory`:\n\n"
    "`countersign setup replica > /etc/countersign/replica.toml`\n\n"
    "`countersign replica --config /etc/countersign/replica.toml`\n\n"
    "The copy follows its primaries by zone transfer (IXFR, AXFR) with a TSIG key that the "
    "registrar issues. Whatever comes is checked before it is put in place; what is there goes "
    "on serving when no primary can be reached. How it fares:\n\n"
    "`countersign replica status`",
    invoke_without_command=True,
    rich_markup_mode="markdown",
)
console = Console(soft_wrap=True)


@app.callback()
def keep(context: typer.Context, config: FileOption = None) -> None:
    """Keep the copy up to date, unless a command is named."""
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    from countersign.registry.replica.service import run_replica

    settings = _read(context, None)
    configure_log(settings.log)
    try:
        run_replica(settings)
    except ReplicaError as error:
        fail(f"countersign replica: {error}", 1)


@app.command()
def status(
    context: typer.Context,
    config: FileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show the copy's serial, size, age and source, and what went wrong last.

    The exit status is 1 when the copy is stale: missing, or not confirmed by a primary for
    longer than `max_age_seconds`.

    Example: countersign replica status
    """
    settings = _read(context, config)
    try:
        standing = look_at(settings)
    except CopyError as error:
        fail(str(error), 1)
    if as_json:
        typer.echo(json.dumps(as_values(settings, standing)))
    else:
        console.print(as_table(settings, standing))
    if standing.is_stale:
        raise typer.Exit(1)


@app.command()
def verify(context: typer.Context, config: FileOption = None) -> None:
    """Go through the whole copy, and compare it with its digests.

    The exit status is 1 if it is not what it should be. Look-ups and transfers go on.

    Example: countersign replica verify
    """
    from countersign.registry.replica.whole_check import check_whole

    settings = _read(context, config)
    try:
        standing = look_at(settings)
        if standing.meta is None:
            fail(f"there is no copy of {settings.zone} in {settings.directory} yet", 1)
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("Checking", total=standing.meta.records)
            meta = check_whole(settings.directory, lambda more: progress.advance(task, more))
    except (CopyError, ReplicaError) as error:
        fail(str(error), 1)
    console.print(f"{meta.zone}, serial {meta.serial}: all {meta.records:,} records are right.")


@app.command("accept-shrink")
def accept_shrink(context: typer.Context, config: FileOption = None) -> None:
    """Let the zone shrink by as much as the transfer that was refused.

    A zone that loses more than `max_shrink` of its records within a day is refused: it is more
    likely that something went wrong than that so many servers left. Ask the registrar first. The
    word is good for the next transfer, and reaches a replica that runs within a second.

    Example: countersign replica accept-shrink
    """
    settings = _read(context, config)
    state = read_state(settings.directory)
    shrink = state.shrink if state is not None else None
    if shrink is None:
        fail("no transfer was refused for shrinking", 1)
    _give(settings, ACCEPT_SHRINK, {"records": shrink.after})
    console.print(
        f"The zone may shrink from {shrink.before:,} to about {shrink.after:,} records "
        f"(serial {shrink.serial})."
    )


@app.command()
def reset(
    context: typer.Context,
    config: FileOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the whole zone anew, even if its serial is older than the copy's.

    Needed only after the registrar was restored from a backup and does not come above its old
    serials by itself. The copy serves until the new one is in place.

    Example: countersign replica reset
    """
    settings = _read(context, config)
    if not yes:
        typer.confirm(
            "Take the zone as the primaries have it now, whatever its serial?", abort=True
        )
    _give(settings, RESET, {})
    console.print("The whole zone is taken anew, as soon as a primary answers.")


def _give(settings: ReplicaConfig, word: str, facts: dict[str, int]) -> None:
    try:
        give_word(settings.directory, word, facts)
    except OSError as error:
        fail(f"{settings.directory}: {error.strerror}", 1)


def _read(context: typer.Context, file: Path | None) -> ReplicaConfig:
    """Return the configuration, or end with all that is wrong with it."""
    path = file or context.obj or (OWN_CONFIG if OWN_CONFIG.exists() else DEFAULT_CONFIG)
    try:
        if not _is_of_a_gateway(path):
            return load_config(path, ReplicaConfig)
        settings = load_config(path, Config).replica
    except ConfigError as error:
        fail(str(error))
    if settings is None:
        fail(f'{path}: registry.kind is not "replica": this gateway has no copy')
    return settings


def _is_of_a_gateway(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return "hostname" in tomllib.load(file)
    except (OSError, ValueError):
        # Told by whoever loads it, with the line.
        return path == DEFAULT_CONFIG
