"""countersign registrar keys: the keys that papers and particulars are sealed with."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from countersign.cli.common import fail
from countersign.cli.registrar_office import FileOption, open_or_fail

app = typer.Typer(
    help="Rotate the master keys. What is sealed is put under the new key by the daily work, "
    "or at once by `rewrap`.",
    no_args_is_help=True,
)
console = Console(soft_wrap=True)


@app.command("list")
def list_keys(context: typer.Context, config: FileOption = None) -> None:
    """List the master keys by name. The keys themselves are never shown."""
    with open_or_fail(context, config) as office:
        table = Table("key", "made", "")
        for key_id, made in office.keyring.key_ids().items():
            seals = "seals now" if key_id == office.keyring.current_key_id else ""
            table.add_row(key_id, f"{made:%Y-%m-%d %H:%M} UTC", seals)
        console.print(table)


@app.command()
def rotate(context: typer.Context, config: FileOption = None) -> None:
    """Make a new master key, which seals from now on. Back the keyring up afterwards.

    Example: countersign registrar keys rotate && countersign registrar keys rewrap
    """
    with open_or_fail(context, config) as office:
        console.print(f"The new key is {office.keyring.rotate()}. Back the keyring up now.")


@app.command()
def rewrap(context: typer.Context, config: FileOption = None) -> None:
    """Put everything that is sealed under the present key. The service may go on running.

    It can be interrupted and begun again.
    """
    from countersign.registrar.operations.rewrapping import count_to_rewrap, rewrap_all

    with open_or_fail(context, config) as office, Progress(console=console) as progress:
        bar = progress.add_task("rewrapping", total=count_to_rewrap(office))
        done = rewrap_all(office, progress=lambda more: progress.advance(bar, more))
    console.print(f"{done} are under the present key now.")


@app.command()
def retire(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Its name; see `keys list`.")],
    config: FileOption = None,
) -> None:
    """Remove an old master key for ever, if nothing is sealed with it any more.

    Do so half a day after the rotation at the earliest: sessions that began before may hold
    what was sealed with it.
    """
    from countersign.registrar.operations.rewrapping import is_in_use
    from countersign.registrar.vault.keyring_file import KeyringError

    with open_or_fail(context, config) as office, office.reading() as work:
        try:
            office.keyring.retire(key, lambda key_id: is_in_use(work, key_id))
        except KeyringError as error:
            fail(str(error), 1)
    console.print(f"{key} is no more.")
