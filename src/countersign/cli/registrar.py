"""countersign registrar: the website with its API and workers, and what staff does by hand."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from countersign.cli import (
    registrar_jobs,
    registrar_keys,
    registrar_mailbox,
    registrar_primary,
    registrar_probes,
    registrar_secondaries,
    registrar_staff,
)
from countersign.cli.common import fail
from countersign.cli.registrar_office import FileOption, open_or_fail, read_registrar_config
from countersign.settings.log import configure_log

app = typer.Typer(
    help="Run the registrar: website, REST API, workers, primary name server.\n\n"
    "It starts with no set-up, and keeps an SQLite database:\n\n"
    "`countersign registrar`\n\n"
    "With a configuration file, and workers in processes of their own (PostgreSQL):\n\n"
    "`countersign registrar --config /etc/countersign/registrar.toml`\n\n"
    "`countersign registrar worker --config /etc/countersign/registrar.toml`\n\n"
    "The first member of the staff:\n\n"
    "`countersign registrar staff add ada@example.org --name 'Ada L.' --role administrator`",
    invoke_without_command=True,
    rich_markup_mode="markdown",
)
app.add_typer(registrar_staff.app, name="staff")
app.add_typer(registrar_keys.app, name="keys")
app.add_typer(registrar_jobs.app, name="jobs")
app.add_typer(registrar_probes.app, name="probes")
app.add_typer(registrar_secondaries.app, name="secondaries")
app.command()(registrar_primary.primary)
app.command()(registrar_mailbox.mailbox)
console = Console(soft_wrap=True)


@app.callback()
def serve(context: typer.Context, config: FileOption = None) -> None:
    """Run the service, unless a command is named."""
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    from countersign.registrar.opening import OpeningError
    from countersign.registrar.service import run_service

    settings = read_registrar_config(context, None)
    configure_log(settings.log)
    try:
        run_service(settings, ready=lambda url: console.print(f"The registrar is at {url}"))
    except OpeningError as error:
        fail(f"countersign registrar: {error}", 1)


@app.command()
def worker(
    context: typer.Context,
    threads: Annotated[
        int | None, typer.Option(min=1, max=64, help="Of each lane; default: `jobs`.")
    ] = None,
    config: FileOption = None,
) -> None:
    """Do background work in a process of its own; any number of them on PostgreSQL.

    They share the work, and where one dies another takes it over. Set `jobs = 0` if the service
    itself is to do none.

    Example: countersign registrar worker --threads 4
    """
    from countersign.registrar.opening import OpeningError
    from countersign.registrar.service import run_worker

    settings = read_registrar_config(context, config)
    configure_log(settings.log, worker=True)
    try:
        run_worker(settings, threads)
    except OpeningError as error:
        fail(f"countersign registrar worker: {error}", 1)


@app.command()
def check(context: typer.Context, config: FileOption = None) -> None:
    """Check the configuration: its settings, and whether what it names can be used.

    The exit status is 2 for faults, 1 for warnings only. Nothing is changed.

    Example: countersign registrar check --config /etc/countersign/registrar.toml
    """
    from countersign.registrar.checking import warnings_about

    settings = read_registrar_config(context, config)
    warnings = warnings_about(settings)
    for warning in warnings:
        console.print(f"[yellow]warning:[/] {warning}", highlight=False)
    if warnings:
        raise typer.Exit(1)
    console.print("[green]The configuration is good.[/]")


@app.command()
def migrate(context: typer.Context, config: FileOption = None) -> None:
    """Bring the database up to date. The service does so itself when it starts.

    Example: countersign registrar migrate
    """
    with open_or_fail(context, config) as office, office.database.engine.connect() as connection:
        from countersign.storage.database.migration import current_revision

        console.print(f"The database is up to date: revision {current_revision(connection)}.")


@app.command()
def seed(
    context: typer.Context,
    servers: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many.")] = 10_000,
    number: Annotated[
        int, typer.Option(help="Another number gives other data, the same the same.")
    ] = 1,
    config: FileOption = None,
) -> None:
    """Fill an empty registrar with made-up servers, owners, histories and payments.

    For demonstrations and measurements; all names end in .example, and no account has a
    password.

    Example: countersign registrar seed --servers 10000
    """
    from countersign.registrar.seed.seeding import SeedError
    from countersign.registrar.seed.seeding import seed as fill

    with open_or_fail(context, config) as office, Progress(console=console) as progress:
        task = progress.add_task("Making up servers", total=servers)
        try:
            fill(office, servers, number=number, progress=lambda more: progress.advance(task, more))
        except SeedError as error:
            fail(f"countersign registrar seed: {error}", 1)
    console.print(f"There are now {servers:,} servers.")
