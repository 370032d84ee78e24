"""countersign registrar secondaries: who has copies of the zone, and the keys by which they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from countersign.cli.common import errors, fail
from countersign.cli.key_output import OutputOption, key_output
from countersign.cli.registrar_office import FileOption, open_or_fail
from countersign.registry.transfer.keys import ALGORITHMS, DEFAULT_ALGORITHM

if TYPE_CHECKING:
    from countersign.registrar.operations.office import Work
    from countersign.storage.database.replication import Secondary, SecondaryKind

app = typer.Typer(
    help="See and manage the secondaries: name servers and replicas that copy the zone.\n\n"
    "Each has a key of its own (TSIG, RFC 8945). To set one up, add it and take its key to it:\n\n"
    "`countersign registrar secondaries add frankfurt-1 --place Frankfurt --notify 192.0.2.1:53 "
    "--output frankfurt-1.key`\n\n"
    "There: `countersign setup knot --zone registry.example --primary 198.51.100.1:8053 "
    "--key-file frankfurt-1.key`\n\n"
    "To exchange its key, rotate: the old one goes on for a week. Everything is recorded.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
console = Console(soft_wrap=True)

NameArgument = Annotated[str, typer.Argument(help="Its name; see `list`.")]
PlaceOption = Annotated[str, typer.Option(help="Where it is, for people.")]
ContactOption = Annotated[str, typer.Option(help="E-mail address that is told when it is behind.")]
NotifyOption = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS:PORT", help="Where to notify it of a new version. Repeatable."),
]
AskOption = Annotated[str, typer.Option(metavar="ADDRESS:PORT", help="Where to ask its serial.")]
AlgorithmOption = Annotated[str, typer.Option(help=f"{', '.join(ALGORITHMS)}.")]


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, hyphens. It stays.")],
    *,
    kind: Annotated[str, typer.Option(help="secondary, signer or replica.")] = "secondary",
    place: PlaceOption = "",
    contact: ContactOption = "",
    notify: NotifyOption = None,
    ask: AskOption = "",
    algorithm: AlgorithmOption = DEFAULT_ALGORITHM,
    output: OutputOption = None,
    config: FileOption = None,
) -> None:
    """Add a secondary or replica, and print its key: `algorithm:name:secret`.

    A secondary is a public name server, a signer one that signs the zone with DNSSEC on the way,
    a replica the copy of a gateway's host.

    Example: countersign registrar secondaries add lima --notify 192.0.2.7:53 --output lima.key
    """
    from countersign.registrar.operations import secondaries
    from countersign.registrar.operations.office import SYSTEM
    from countersign.registrar.operations.secondary_details import Details

    details = Details(_kind(kind), place, contact, notify or (), ask)
    with open_or_fail(context, config) as office, key_output(output) as write:
        with office.work() as work:
            _, key = secondaries.add(work, SYSTEM, name, details, algorithm)
        write(key)
    errors.print(f"Added {name}. Whoever has the key can take the zone: keep it secret.")


@app.command("list")
def list_all(context: typer.Context, config: FileOption = None) -> None:
    """List the secondaries, and how far each is.

    Example: countersign registrar secondaries list
    """
    from countersign.cli.secondary_tables import status_table
    from countersign.registrar.queries.secondaries import duration, statuses, zone_status

    with open_or_fail(context, config) as office, office.reading() as work:
        zone, found, now = zone_status(work), statuses(work), work.now
    if zone is None:
        console.print("Nothing has been published yet.")
    else:
        age = duration((now - zone.published_at).total_seconds())
        console.print(f"{zone.zone}: serial {zone.serial}, {zone.records:,} records, {age} old")
    if not found:
        console.print("Nobody has a copy: see countersign registrar secondaries add --help")
        return
    console.print(status_table(found, now))


@app.command()
def show(context: typer.Context, name: NameArgument, config: FileOption = None) -> None:
    """Show what is known of a secondary, and its keys, without their secrets.

    Example: countersign registrar secondaries show frankfurt-1
    """
    from countersign.cli.secondary_tables import key_table, print_about
    from countersign.registrar.operations.secondary_keys import is_good, keys_of
    from countersign.registrar.queries.secondaries import status_of

    with open_or_fail(context, config) as office, office.reading() as work:
        row = _find(work, name)
        one, keys = status_of(work, row), keys_of(work, row.id)
        good = {key.id for key in keys if is_good(work, key)}
    print_about(console, one)
    console.print(key_table(keys, good))


@app.command()
def change(
    context: typer.Context,
    name: NameArgument,
    *,
    kind: Annotated[str | None, typer.Option(help="secondary, signer or replica.")] = None,
    place: Annotated[str | None, typer.Option(help="Where it is, for people.")] = None,
    contact: Annotated[str | None, typer.Option(help="Who is told when it is behind.")] = None,
    notify: NotifyOption = None,
    ask: Annotated[
        str | None, typer.Option(metavar="ADDRESS:PORT", help="Where to ask its serial.")
    ] = None,
    config: FileOption = None,
) -> None:
    """Change what is known of a secondary: what is not named stays. An empty text takes it away.

    Example: countersign registrar secondaries change lima --ask 192.0.2.7:53 --notify 192.0.2.7:53
    """
    from countersign.registrar.operations import secondaries
    from countersign.registrar.operations.office import SYSTEM
    from countersign.registrar.operations.secondary_details import Details

    with open_or_fail(context, config) as office, office.work() as work:
        row = _find(work, name)
        details = Details(
            _kind(kind) if kind is not None else row.kind,
            row.place if place is None else place,
            row.contact if contact is None else contact,
            row.notify if notify is None else [one for one in notify if one],
            row.ask if ask is None else ask,
        )
        secondaries.change(work, SYSTEM, row.id, details)
    console.print(f"{name} is changed.")


@app.command()
def rotate(
    context: typer.Context,
    name: NameArgument,
    algorithm: AlgorithmOption = DEFAULT_ALGORITHM,
    output: OutputOption = None,
    config: FileOption = None,
) -> None:
    """Make a new key and print it. Those in use go on for `primary.key_overlap_hours`.

    Example: countersign registrar secondaries rotate frankfurt-1 --output new.key
    """
    from countersign.registrar.operations import secondary_keys
    from countersign.registrar.operations.office import SYSTEM

    with open_or_fail(context, config) as office, key_output(output) as write:
        with office.work() as work:
            key = secondary_keys.rotate(work, SYSTEM, _find(work, name).id, algorithm)
        write(key)
        hours = office.config.primary.key_overlap_hours
    errors.print(f"Exchange the key of {name} within {hours} hours: then the old one ends.")


@app.command()
def revoke(
    context: typer.Context,
    name: NameArgument,
    key: Annotated[str, typer.Argument(help="The key's name; see `show`.")],
    config: FileOption = None,
) -> None:
    """Make a key worthless at once: for one that was lost or seen by others.

    Example: countersign registrar secondaries revoke lima lima-3f09ab.registry.example
    """
    from countersign.registrar.operations import secondary_keys
    from countersign.registrar.operations.office import SYSTEM

    with open_or_fail(context, config) as office, office.work() as work:
        row = _find(work, name)
        wanted = key.strip().removesuffix(".").lower()
        found = [one.id for one in secondary_keys.keys_of(work, row.id) if one.name == wanted]
        if not found:
            fail(f"{name} has no key of that name: see countersign registrar secondaries show", 1)
        secondary_keys.revoke(work, SYSTEM, row.id, found[0])
    console.print("The key is refused from now on.")


@app.command()
def remove(context: typer.Context, name: NameArgument, config: FileOption = None) -> None:
    """Remove a secondary: its keys are refused at once. Its name is free again.

    Example: countersign registrar secondaries remove frankfurt-1
    """
    from countersign.registrar.operations import secondaries
    from countersign.registrar.operations.office import SYSTEM

    with open_or_fail(context, config) as office, office.work() as work:
        secondaries.remove(work, SYSTEM, _find(work, name).id)
    console.print(f"{name} is removed.")


@app.command("key")
def print_key(
    context: typer.Context,
    name: NameArgument,
    output: OutputOption = None,
    config: FileOption = None,
) -> None:
    """Print the newest key of a secondary, in one line, as `setup … --key-file` takes it.

    The access log says that it was shown.

    Example: countersign registrar secondaries key frankfurt-1 --output frankfurt-1.key
    """
    from countersign.registrar.operations import secondary_keys
    from countersign.registrar.operations.office import SYSTEM

    with open_or_fail(context, config) as office, key_output(output) as write:
        with office.work() as work:
            row = _find(work, name)
            newest = secondary_keys.current_key(work, row.id)
            key = secondary_keys.reveal(work, SYSTEM, row.id, newest.id)
        write(key)


def _kind(text: str) -> SecondaryKind:
    from countersign.storage.database.replication import SecondaryKind

    if text not in list(SecondaryKind):
        fail(f"there is no kind {text!r}; there are: {', '.join(SecondaryKind)}")
    return SecondaryKind(text)


def _find(work: Work, name: str) -> Secondary:
    from countersign.registrar.operations.office import NotFoundError
    from countersign.registrar.operations.secondaries import find

    found = find(work, name)
    if found is None:
        raise NotFoundError(
            "There is no such secondary: see countersign registrar secondaries list"
        )
    return found
