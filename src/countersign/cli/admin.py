"""countersign admin: what an operator would otherwise do by hand."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from countersign.cli import admin_journal, admin_submission
from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail, read_config
from countersign.cli.stores import with_store
from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.rules.network import network_key
from countersign.storage.opening import open_tables
from countersign.storage.tables import Tables

app = typer.Typer(
    help="See and lift blocks; trace submitted messages; see locks and failed sign-ins.",
    no_args_is_help=True,
)
app.command()(admin_journal.trace)
app.add_typer(admin_journal.app, name="journal")
app.command()(admin_submission.locks)
app.command()(admin_submission.failures)
app.command()(admin_submission.pardon)
console = Console()
_Result = TypeVar("_Result")


@app.command("blocks")
def list_blocks(
    config: ConfigOption = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(help="Show this many at most.")] = 100,
) -> None:
    """Show which addresses are blocked, for which claimed host, why and until when."""
    now = time.time()
    blocks = _with_tables(config, lambda tables: tables.list_blocks(now, limit))
    if not blocks:
        console.print("No address is blocked.")
        return
    table = Table("address", "claimed host", "reason", "since", "until")
    for block in blocks:
        times = (datetime.fromtimestamp(one).astimezone() for one in (block.since, block.until))
        shown = (f"{one:%Y-%m-%d %H:%M:%S}" for one in times)
        table.add_row(block.network, block.claimed_host, block.reason, *shown)
    console.print(table)


@app.command()
def unblock(
    address: Annotated[str, typer.Argument(help="An IPv4 or IPv6 address.")],
    host: Annotated[str | None, typer.Option(help="Only its block for this claimed host.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Lift the blocks of an address (IPv6: of its /64).

    To keep it from being blocked again, put it into receiving.allow.

    Example: countersign admin unblock 192.0.2.1
    """
    try:
        network = network_key(address.partition("/")[0])
        name = normalise_hostname(host) if host else None
    except AddressSyntaxError as error:
        fail(f"{host}: {error}")
    except ValueError:
        fail(f"{address} is no IP address")
    count = _with_tables(config, lambda tables: tables.unblock(network, name))
    console.print(f"{network}: {count} block{'' if count == 1 else 's'} lifted.")
    if not count:
        raise typer.Exit(1)


def _with_tables(config: ConfigOption, work: Callable[[Tables], Awaitable[_Result]]) -> _Result:
    settings = read_config(config)
    storage, directory = settings.storage, settings.state_directory
    return with_store(lambda: open_tables(storage.url, directory), work, name="the tables")
