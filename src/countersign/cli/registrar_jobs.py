"""countersign registrar jobs: background work that waits, or that was given up."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from countersign.cli.registrar_office import FileOption, open_or_fail

app = typer.Typer(
    help="See background work that waits or has failed: `countersign registrar jobs`. "
    "Order it again: `countersign registrar jobs retry 17`.",
    invoke_without_command=True,
)
console = Console(soft_wrap=True)


@app.callback()
def list_jobs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show this many at most.")] = 50,
    config: FileOption = None,
) -> None:
    """List the jobs that are waiting or have failed, those that are due first."""
    from countersign.registrar.jobs.queue import counts, listed
    from countersign.storage.database.jobs import JobState

    if context.invoked_subcommand is not None:
        context.obj = config or context.obj
        return
    with open_or_fail(context, config) as office, office.reading() as work:
        jobs = listed(work, [JobState.FAILED, JobState.WAITING], limit)
        figures = counts(work)
    console.print(", ".join(f"{state}: {number}" for state, number in figures.items()))
    if not jobs:
        return
    table = Table("job", "kind", "state", "attempts", "next at", "reason")
    for job in jobs:
        state = "being done" if job.worker else str(job.state)
        when = "" if job.state is JobState.FAILED else f"{job.run_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(job.id), job.kind, state, str(job.attempts), when, job.error)
    console.print(table)


@app.command()
def retry(
    context: typer.Context,
    job: Annotated[int, typer.Argument(help="The job's number; see `jobs`.")],
    config: FileOption = None,
) -> None:
    """Order a failed job again, or a waiting one at once.

    Example: countersign registrar jobs retry 17
    """
    from countersign.registrar.jobs.queue import retry as order_again

    with open_or_fail(context, config) as office, office.work() as work:
        order_again(work, job)
    console.print(f"Job {job} is ordered.")
