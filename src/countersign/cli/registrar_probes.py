"""countersign registrar probes: who tests servers from other networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from countersign.cli.common import errors
from countersign.cli.registrar_office import FileOption, open_or_fail

if TYPE_CHECKING:
    import datetime

    from countersign.registrar.operations.office import Work
    from countersign.registrar.queries.probes import ProbeStatus
    from countersign.storage.database.probing import Probe

app = typer.Typer(
    help="See and manage the probes: they test servers, each from another network.\n\n"
    "To set one up, invite it and take the one-time token to its machine:\n\n"
    "`countersign registrar probes add lima-1 --network 198.51.100.0/24 --as 64500`\n\n"
    "There: `countersign probe enrol --registrar https://registrar.example --token TOKEN "
    "--network 198.51.100.0/24 --as 64500`\n\n"
    "Who they are is nobody's business but the staff's. Everything is recorded.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
console = Console(soft_wrap=True)

NameArgument = Annotated[str, typer.Argument(help="Its name; see `list`.")]
_COLOURS = {"well": "green", "silent": "bold red", "invited": "cyan", "lapsed": "dim"}


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, hyphens. It stays.")],
    *,
    network: Annotated[str, typer.Option(metavar="CIDR", help="The range that it will test from.")],
    as_number: Annotated[
        int | None,
        typer.Option("--as", metavar="NUMBER", min=1, max=2**32 - 1, help="Its AS number."),
    ] = None,
    place: Annotated[str, typer.Option(help="Where it is, for the staff.")] = "",
    config: FileOption = None,
) -> None:
    """Invite a probe, and print its one-time token, which is good for 7 days.

    Example: countersign registrar probes add lima-1 --network 198.51.100.0/24 --as 64500
    """
    from countersign.registrar.operations import probes
    from countersign.registrar.operations.office import SYSTEM

    with open_or_fail(context, config) as office:
        with office.work() as work:
            probe, token = probes.invite(
                work, SYSTEM, name=name, network=network, as_number=as_number, place=place
            )
            written = probe.network
        url = office.config.url
    # Alone on standard output, for scripts.
    typer.echo(token)
    there = f" --as {as_number}" if as_number is not None else ""
    errors.print(
        f"Invited {name}. On its machine, within {probes.INVITATION_DAYS} days: countersign probe "
        f"enrol --registrar {url} --token TOKEN --network {written}{there}",
        markup=False,
        highlight=False,
    )


@app.command("list")
def list_all(context: typer.Context, config: FileOption = None) -> None:
    """List the probes: range, AS, when each was last seen, its program, its open orders.

    Example: countersign registrar probes list
    """
    from countersign.registrar.queries.probes import shortage, statuses

    with open_or_fail(context, config) as office, office.reading() as work:
        found, now, warning = statuses(work), work.now, shortage(work)
    if found:
        console.print(_table(found, now))
    else:
        console.print("There are no probes: see countersign registrar probes add --help")
    if warning:
        errors.print(warning, style="yellow", markup=False, highlight=False)


@app.command()
def show(context: typer.Context, name: NameArgument, config: FileOption = None) -> None:
    """Show what is known of a probe.

    Example: countersign registrar probes show lima-1
    """
    from countersign.certification.authorization import fingerprint
    from countersign.certification.signing import read_public
    from countersign.registrar.queries.probes import status_of

    with open_or_fail(context, config) as office, office.reading() as work:
        one = status_of(work, _find(work, name))
    probe = one.probe
    key = fingerprint(read_public(probe.public_key)) if probe.public_key else ""
    ends = probe.token_ends_at if probe.enrolled_at is None else None
    for label, value in (
        ("Name", probe.name),
        ("Condition", str(one.condition)),
        ("Network", probe.network),
        ("AS", str(probe.as_number or "")),
        ("Place", probe.place),
        ("Key", key),
        ("Invited", _moment(probe.invited_at)),
        ("Good until", _moment(ends)),
        ("Enrolled", _moment(probe.enrolled_at)),
        ("Last seen", _moment(probe.seen_at)),
        ("Version", probe.version),
        ("Open orders", str(one.open_orders)),
    ):
        console.print(f"{label + ':':15}{value or '-'}", markup=False, highlight=False)


@app.command()
def revoke(context: typer.Context, name: NameArgument, config: FileOption = None) -> None:
    """Take a probe out: its key and its orders end at once. Its name is free again.

    Example: countersign registrar probes revoke lima-1
    """
    from countersign.registrar.operations import probes
    from countersign.registrar.operations.office import SYSTEM

    with open_or_fail(context, config) as office, office.work() as work:
        probes.revoke(work, SYSTEM, _find(work, name))
    console.print(f"{name} is revoked.", markup=False, highlight=False)


def _find(work: Work, name: str) -> Probe:
    from countersign.registrar.operations import probes
    from countersign.registrar.operations.office import NotFoundError

    found = probes.find(work, name)
    if found is None:
        raise NotFoundError("There is no such probe: see countersign registrar probes list")
    return found


def _table(found: list[ProbeStatus], now: datetime.datetime) -> Table:
    from countersign.registrar.queries.secondaries import duration

    # The first column is an argument of other commands: it is never cut short.
    table = Table(
        Column("name", overflow="fold", ratio=2),
        *("condition", "network", "AS", "place", "last seen", "version", "open orders"),
    )
    for one in found:
        probe = one.probe
        seen = "never"
        if probe.seen_at is not None:
            seen = f"{duration((now - probe.seen_at).total_seconds())} ago"
        condition = Text(str(one.condition), _COLOURS[one.condition])
        before = (probe.network, str(probe.as_number or ""), probe.place)
        after = (seen, probe.version, str(one.open_orders))
        table.add_row(Text(probe.name), condition, *map(Text, (*before, *after)))
    return table


def _moment(moment: datetime.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""
