"""countersign registry: look at the registry's zone wherever there is a copy of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from countersign.cli.common import DEFAULT_CONFIG, errors, fail, read_config
from countersign.cli.registry_sources import NAMES, SourceError, Sources

if TYPE_CHECKING:
    from countersign.gateway.config import Config
    from countersign.registrar.operations.office import Office
    from countersign.registry.copy.reading import Snapshot

app = typer.Typer(
    help="Look at the registry's zone: what it says of a host, whether all copies agree.\n\n"
    "A copy is named by its source:\n\n" + NAMES + "\n\nThe options below go before the command.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
console = Console(soft_wrap=True)
DEFAULT_REGISTRAR = Path("/etc/countersign/registrar.toml")
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help=f"The gateway's configuration; default: {DEFAULT_CONFIG} if it is."
    ),
]
RegistrarOption = Annotated[
    Path | None,
    typer.Option(
        "--registrar",
        "-r",
        help=f"The registrar's configuration; default: {DEFAULT_REGISTRAR} if it is.",
    ),
]
ZoneOption = Annotated[str, typer.Option(help="The zone, where no configuration says it.")]
KeyOption = Annotated[
    Path | None, typer.Option("--key-file", help="TSIG key for servers named by address.")
]
ContentOption = Annotated[
    bool,
    typer.Option("--content", help="Without what servers make themselves: DNSSEC, SOA, ZONEMD."),
]


@dataclass(frozen=True, slots=True)
class Options:
    """Where this host's configurations are."""

    config: Path | None
    registrar: Path | None
    zone: str
    key_file: Path | None


@app.callback()
def options(
    context: typer.Context,
    config: ConfigOption = None,
    registrar: RegistrarOption = None,
    zone: ZoneOption = "",
    key_file: KeyOption = None,
) -> None:
    """Hold the options that all commands have in common: they go before the command."""
    context.obj = Options(config, registrar, zone, key_file)


@app.command()
def show(
    context: typer.Context,
    hostname: Annotated[str, typer.Argument(help="A server's host name, or an IP address.")],
    source: Annotated[
        list[str] | None, typer.Option("--from", help="A source, repeatable; default: those here.")
    ] = None,
) -> None:
    """Show what each copy says of a host or an address, and what the DNS says of a host.

    Example: countersign registry show mail.example.org
    """
    from countersign.cli.registry_texts import owners_of, standing_of, zone_lines

    with _sources(context) as sources:
        try:
            owners = owners_of(hostname)
        except ValueError as error:
            fail(f"{hostname}: {error}")
        if not source:
            _show_dns(context.obj, hostname)
        for name in source or _at_hand(sources):
            with _opened(sources, name) as snapshot:
                meta = snapshot.meta
                console.print(
                    f"[bold]{name}[/]: serial {meta.serial}, {standing_of(snapshot, hostname)}",
                    highlight=False,
                )
                for owner in owners:
                    for key, node in snapshot.nodes(below=owner):
                        for line in zone_lines(key, node, sources.zone):
                            console.print("  " + line, markup=False, highlight=False)


@app.command()
def diff(
    context: typer.Context,
    one: Annotated[str, typer.Argument(help="A source.")],
    other: Annotated[str, typer.Argument(help="Another source.")],
    content: ContentOption = False,
    limit: Annotated[int, typer.Option(min=1, help="Names that are shown at most.")] = 100,
) -> None:
    """Compare two copies name by name. The exit status is 1 if they differ.

    Example: countersign registry --key-file ns1.key diff primary 192.0.2.53:53 --content
    """
    from countersign.cli.registry_texts import zone_lines
    from countersign.registry.comparison import content_of, differences

    with (
        _sources(context) as sources,
        _opened(sources, one) as left,
        _opened(sources, other) as right,
    ):
        pair = (left.nodes(), right.nodes())
        if content:
            pair = (content_of(pair[0]), content_of(pair[1]))
        found = 0
        for key, ours, theirs in itertools.islice(differences(*pair), limit + 1):
            found += 1
            if found > limit:
                console.print(f"… and more: --limit shows them (now {limit}).")
                break
            for sign, records in (("-", ours), ("+", theirs)):
                for line in zone_lines(key, b"".join(records), sources.zone):
                    console.print(f"{sign} {line}", markup=False, highlight=False)
    if found:
        raise typer.Exit(1)
    console.print(f"[green]{one} and {other} say the same.[/]")


@app.command()
def verify(
    context: typer.Context,
    source: Annotated[
        list[str] | None, typer.Argument(help="Sources; default: all that can be reached.")
    ] = None,
) -> None:
    """Compare database, primary, each secondary and replica; check each copy's digest.

    The exit status is 1 if one of them differs or cannot be read.

    Example: countersign registry --registrar /etc/countersign/registrar.toml verify
    """
    from countersign.cli.registry_verify import verify_all

    with _sources(context) as sources:
        names = source or [*_at_hand(sources), *_secondaries(sources)]
        with console.status("Comparing …") as status:
            findings = verify_all(sources, names, progress=status.update)
    table = Table("copy", "serial", "records", "digest", "compared with the first", "")
    for one in findings:
        style = "green" if one.is_good else "red"
        figures = (str(one.serial or ""), f"{one.records:,}" if one.records else "")
        table.add_row(one.name, *figures, one.digest, one.compared, one.trouble, style=style)
    console.print(table)
    if not all(one.is_good for one in findings):
        raise typer.Exit(1)


@app.command()
def export(
    context: typer.Context,
    source: Annotated[str, typer.Option("--from", help="A source.")] = "",
    form: Annotated[
        str, typer.Option("--format", help="zone, toml, json, rbldnsd-names or rbldnsd-addresses.")
    ] = "zone",
    output: Annotated[Path | None, typer.Option(help="A file; default: standard output.")] = None,
) -> None:
    """Print a copy: as a zone file, as a gateway's registry file, or as data for rbldnsd.

    Example: countersign registry export --format toml --output /etc/countersign/registry.toml
    """
    from countersign.cli.registry_texts import EXPORTS, write_export
    from countersign.registry.lookup import RegistryUnavailableError

    if form not in EXPORTS:
        fail(f"--format {form}: known are {', '.join(EXPORTS)}")
    with _sources(context) as sources:
        name = source or next(iter(_at_hand(sources)), "")
        if not name:
            fail("name a source with --from, or a configuration with --config or --registrar")
        with _opened(sources, name) as snapshot:
            try:
                count = write_export(EXPORTS[form], snapshot, sources.zone, output)
            except (RegistryUnavailableError, OSError) as error:
                fail(f"not exported: {error}", 1)
    errors.print(f"{count:,} lines from {name}, serial {snapshot.meta.serial}", highlight=False)


@contextlib.contextmanager
def _sources(context: typer.Context) -> Iterator[Sources]:
    """Give the sources that the options and this host's configurations open."""
    from countersign.registry.transfer.keys import TsigKeyError
    from countersign.registry.transfer.keys import key_file as read_key

    options: Options = context.obj
    registrar, zone, key_file = options.registrar, options.zone, options.key_file
    replica: Path | None = None
    gateway = _gateway_config(options)
    if gateway is not None and gateway.replica is not None:
        replica, zone = gateway.replica.directory, zone or gateway.replica.zone
    try:
        key = read_key(key_file) if key_file is not None else None
    except TsigKeyError as error:
        fail(str(error))
    with _office(registrar) as office:
        zone = zone or (office.config.zone if office is not None else "")
        if not zone:
            fail("name the zone with --zone, or a configuration with --config or --registrar")
        say = lambda text: errors.print(f"{text} …", style="dim")  # noqa: E731
        yield Sources(zone.rstrip(".").lower(), office, replica, key, say)


@contextlib.contextmanager
def _office(registrar: Path | None) -> Iterator[Office | None]:
    if registrar is None and not DEFAULT_REGISTRAR.exists():
        yield None
        return
    from countersign.registrar.config import RegistrarConfig
    from countersign.registrar.opening import OpeningError, open_office
    from countersign.settings.file import ConfigError, load_config

    try:
        office = open_office(load_config(registrar or DEFAULT_REGISTRAR, RegistrarConfig))
    except (ConfigError, OpeningError) as error:
        fail(str(error), 1)
    try:
        yield office
    finally:
        office.database.close()


@contextlib.contextmanager
def _opened(sources: Sources, name: str) -> Iterator[Snapshot]:
    try:
        with sources.open(name) as snapshot:
            yield snapshot
    except SourceError as error:
        fail(str(error), 1)


def _show_dns(options: Options, hostname: str) -> None:
    """Show what the gateway's resolver says of a host."""
    from countersign.gateway.parts import open_name_list
    from countersign.protocol.address import AddressSyntaxError, normalise_hostname
    from countersign.registry.lookup import RegistryEntry, RegistryUnavailableError

    config = _gateway_config(options)
    if config is None or not config.registry.zone:
        return

    async def ask(name: str) -> RegistryEntry:
        return await open_name_list(config).look_up(name)

    try:
        said = str(asyncio.run(ask(normalise_hostname(hostname))).standing)
    except AddressSyntaxError:
        # An address: the IP list is for others.
        return
    except RegistryUnavailableError as error:
        said = f"cannot tell: {error}"
    console.print(f"[bold]dns[/]: {said}", highlight=False)


def _gateway_config(options: Options) -> Config | None:
    if options.config is None and not DEFAULT_CONFIG.exists():
        return None
    return read_config(options.config or DEFAULT_CONFIG)


def _at_hand(sources: Sources) -> list[str]:
    found = ["database", "primary"] if sources.office is not None else []
    return [*found, "replica"] if sources.replica is not None else found


def _secondaries(sources: Sources) -> list[str]:
    if sources.office is None:
        return []
    from countersign.registrar.queries.secondaries import statuses

    with sources.office.reading() as work:
        found = [one.secondary for one in statuses(work)]
        return [f"secondary:{one.name}" for one in found if one.ask]
