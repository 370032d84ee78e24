"""countersign setup: prints configurations, of ours and of the MTA beside us."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail, read_config
from countersign.cli.configurations import (
    gateway_example,
    probe_example,
    registrar_example,
    replica_example,
    whole_reference,
)
from countersign.cli.dns_servers.commands import add_commands
from countersign.cli.dnswl import Filter, dnswl_snippet
from countersign.cli.snippets import exim_snippet, postfix_snippet
from countersign.cli.submission_snippets import sendmail_snippet
from countersign.cli.units import Unit, systemd_unit
from countersign.gateway.config import Config

app = typer.Typer(
    help="Print a configuration: for the gateway, its service manager, the MTA beside it, or a "
    "DNS server that follows the registry.",
    no_args_is_help=True,
)


@app.command("config")
def print_config() -> None:
    """Print a whole configuration file, every setting explained.

    Example: countersign setup config > /etc/countersign/gateway.toml
    """
    typer.echo(gateway_example())


@app.command("registrar")
def print_registrar_config() -> None:
    """Print a whole configuration file for the registrar, every setting explained.

    Example: countersign setup registrar > /etc/countersign/registrar.toml
    """
    typer.echo(registrar_example())


@app.command("replica")
def print_replica_config() -> None:
    """Print a whole configuration file for a replica by itself, every setting explained.

    Example: countersign setup replica > /etc/countersign/replica.toml
    """
    typer.echo(replica_example())


@app.command("probe")
def print_probe_config() -> None:
    """Print a whole configuration file for a probe, every setting explained.

    Example: countersign setup probe > /etc/countersign/probe.toml
    """
    typer.echo(probe_example())


@app.command("reference")
def print_reference() -> None:
    """Print the reference of all settings as Markdown (docs/CONFIGURATION.md)."""
    typer.echo(whole_reference(), nl=False)


@app.command("systemd")
def print_systemd(
    unit: Annotated[Unit, typer.Argument(help="What is to run.")] = Unit.GATEWAY,
) -> None:
    """Print a systemd unit: /etc/systemd/system/countersign-gateway.service.

    A replica's is for hosts where it runs by itself, for several gateways.

    Example: countersign setup systemd replica > /etc/systemd/system/countersign-replica.service
    """
    typer.echo(systemd_unit(unit), nl=False)


@app.command("postfix")
def print_postfix(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print what to add to Postfix's main.cf and master.cf, for this configuration."""
    _print_snippet(postfix_snippet, config)


@app.command("sendmail")
def print_sendmail(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print what to add to sendmail.mc, so that Sendmail asks the gateway about its users' mail."""
    _print_snippet(sendmail_snippet, config)


@app.command("exim")
def print_exim(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print what to add to Exim's configuration, for this configuration."""
    _print_snippet(exim_snippet, config)


@app.command("dnswl")
def print_dnswl(
    kind: Annotated[Filter, typer.Argument(help="Who is to use the zone.")],
    zone: Annotated[str, typer.Option(help="The registry's public zone.")],
) -> None:
    """Print how to use the zone as an allow list, with no gateway and no plug-in.

    A first step: a registered server is spared other tests, and nobody is refused by it.

    Example: countersign setup dnswl rspamd --zone registry.example
    """
    typer.echo(dnswl_snippet(kind, zone), nl=False)


add_commands(app)


def _print_snippet(make: Callable[[Config], str], config: Path) -> None:
    try:
        typer.echo(make(read_config(config)), nl=False)
    except ValueError as error:
        fail(str(error))
