"""The countersign command."""

from __future__ import annotations

from typing import Annotated

import typer

from countersign import __version__
from countersign.cli import admin, check, keys, probe, registrar, registry, replica, setup, users
from countersign.cli.demo import demo
from countersign.cli.gateway import gateway, gateway_clerk, gateway_replica, gateway_worker

app = typer.Typer(
    name="countersign",
    help="Mail admitted only from servers that prove who they are.\n\n"
    "See it at work: countersign demo. Set a gateway up: countersign setup config. "
    "Run a registrar: countersign registrar.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(gateway)
app.command(hidden=True)(gateway_worker)
app.command(hidden=True)(gateway_replica)
app.command(hidden=True)(gateway_clerk)
app.add_typer(registrar.app, name="registrar")
app.add_typer(users.app, name="users")
app.add_typer(replica.app, name="replica")
app.add_typer(probe.app, name="probe")
app.add_typer(registry.app, name="registry")
app.add_typer(check.app, name="check")
app.add_typer(keys.app, name="keys")
app.add_typer(setup.app, name="setup")
app.add_typer(admin.app, name="admin")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"countersign {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print it, and end."
        ),
    ] = False,
) -> None:
    """Hold what all commands have in common."""


def main() -> None:
    """Run the command line."""
    app()
