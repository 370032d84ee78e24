"""countersign probe: tests servers for a registrar, from another network range."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from countersign.cli.common import fail
from countersign.probe.config import ProbeConfig
from countersign.probe.errors import ProbeError
from countersign.settings.file import ConfigError, load_config
from countersign.settings.log import configure_log

DEFAULT_CONFIG = Path("/etc/countersign/probe.toml")
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help=f"Configuration file; default: {DEFAULT_CONFIG} if there is one, else none.",
    ),
]
InsecureOption = Annotated[
    bool,
    typer.Option(
        "--insecure-http",
        help="Go to a registrar on another machine without TLS: for trials only.",
    ),
]

app = typer.Typer(
    help="Test servers for a registrar, from another network range.\n\n"
    "The registrar's staff invites a probe, and gets a one-time token (`countersign registrar "
    "probes add`). On the probe's machine, once:\n\n"
    "`countersign probe enrol --registrar https://registrar.example --token TOKEN "
    "--network 198.51.100.0/24`\n\n"
    "And then, from one or several source addresses or through a SOCKS5 proxy (`countersign "
    "setup probe` prints all settings):\n\n"
    "`countersign probe`\n\n"
    "It asks for orders by HTTPS, and needs no port that is open to the world.",
    invoke_without_command=True,
    rich_markup_mode="markdown",
)
console = Console(soft_wrap=True)


@app.callback()
def serve(
    context: typer.Context, config: FileOption = None, insecure_http: InsecureOption = False
) -> None:
    """Run the probe, unless a command is named."""
    context.obj = config
    if context.invoked_subcommand is None:
        _run(context, None, insecure_http=insecure_http)


@app.command()
def run(
    context: typer.Context, config: FileOption = None, insecure_http: InsecureOption = False
) -> None:
    """Take orders and deliver results until SIGTERM or Ctrl-C.

    What is at work then has 30 seconds to end; what has not is taken up at the next start.

    Example: countersign probe run --config /etc/countersign/probe.toml
    """
    _run(context, config, insecure_http=insecure_http)


@app.command()
def enrol(
    context: typer.Context,
    *,
    registrar: Annotated[str, typer.Option(help="Its address: https://HOST.")],
    token: Annotated[
        str,
        typer.Option(help="The one-time token of the invitation; -: read it from standard input."),
    ],
    network: Annotated[
        str, typer.Option(metavar="CIDR", help="The range that this machine tests from.")
    ],
    as_number: Annotated[
        int | None,
        typer.Option("--as", metavar="NUMBER", min=1, max=2**32 - 1, help="Its AS number."),
    ] = None,
    config: FileOption = None,
    insecure_http: InsecureOption = False,
) -> None:
    """Make a key for this probe, and make it known to the registrar.

    Network and AS number must be those of the invitation. The key stays on this machine, in a
    file that nobody else can read: be the user that the probe runs as.

    Example: countersign probe enrol --registrar https://registrar.example --token TOKEN --network 198.51.100.0/24 --as 64500
    """  # noqa: E501
    from countersign.probe.enrolment import enrol as make_known

    settings = _read(context, config, insecure_http=insecure_http)
    given = sys.stdin.readline(1000) if token == "-" else token  # noqa: S105
    try:
        made = asyncio.run(make_known(settings, registrar, given, network, as_number))
    except ProbeError as error:
        fail(f"countersign probe enrol: {error}", 1)
    console.print(f"This probe is enrolled at {made.registrar} as {made.name}.", markup=False)
    console.print(f"Its key {made.fingerprint} is in {settings.enrolment_file}", markup=False)
    console.print("Run it with: countersign probe")


@app.command()
def status(
    context: typer.Context,
    config: FileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show the registrar, the key, when it last answered, and the orders at work.

    The exit status is 1 when the probe does not run, or the registrar cannot be asked.

    Example: countersign probe status
    """
    from countersign.cli.probe_status import as_table, as_values
    from countersign.probe.enrolment import enrolled
    from countersign.probe.standing import look_at

    settings = _read(context, config)
    try:
        found = look_at(settings, enrolled(settings))
    except ProbeError as error:
        fail(str(error), 1)
    if as_json:
        typer.echo(json.dumps(as_values(found)))
    else:
        console.print(as_table(found))
    if not found.is_well:
        raise typer.Exit(1)


def _run(context: typer.Context, file: Path | None, *, insecure_http: bool) -> None:
    from countersign.probe.service import run_probe

    settings = _read(context, file, insecure_http=insecure_http)
    configure_log(settings.log)
    try:
        run_probe(settings)
    except ProbeError as error:
        fail(f"countersign probe: {error}", 1)


def _read(context: typer.Context, file: Path | None, *, insecure_http: bool = False) -> ProbeConfig:
    """Return the configuration, or end with all that is wrong with it."""
    path = file or context.obj or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    try:
        settings = load_config(path, ProbeConfig) if path is not None else ProbeConfig()
    except ConfigError as error:
        fail(str(error))
    return settings.model_copy(update={"insecure_http": True}) if insecure_http else settings
