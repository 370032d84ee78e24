"""countersign setup knot | nsd | bind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from countersign.cli.common import fail
from countersign.cli.dns_servers import bind, knot, nsd
from countersign.cli.dns_servers.plan import Plan, make_plan
from countersign.registry.transfer.keys import key_file as read_key_file

ZoneOption = Annotated[
    list[str], typer.Option("--zone", metavar="ZONE", help="The registry's zone. Repeatable.")
]
PrimaryOption = Annotated[
    list[str],
    typer.Option(
        "--primary",
        metavar="ADDRESS[:PORT]",
        help="Whom to transfer from: the registrar's hidden primary, or the server that signs. "
        "Repeatable.",
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="This secondary's key: name, algorithm and secret in three lines, or "
        "[algorithm:]name:secret in one. 'countersign registrar secondaries add' makes it.",
    ),
]
TransferKeyOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--allow-transfer-key",
        metavar="FILE",
        help="The key of a replica, or further secondary, that may copy the zone from here. "
        "Repeatable.",
    ),
]
NotifyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--notify",
        metavar="ADDRESS[:PORT][,KEY]",
        help="Whom of those to tell of each change; with the name of the key where there are "
        "several. Repeatable.",
    ),
]
ListenOption = Annotated[
    list[str],
    typer.Option("--listen", metavar="ADDRESS[:PORT]", help="Where to answer. Repeatable."),
]
LimitOption = Annotated[
    int,
    typer.Option(
        "--rate-limit",
        metavar="NUMBER",
        min=1,
        max=1_000_000,
        help="Answers a second to one network.",
    ),
]
DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIRECTORY",
        help="Keep all that the server writes here, and not where Debian's package does.",
    ),
]
IncludeOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Where the file with the keys will be on the server."),
]
UserOption = Annotated[
    str, typer.Option(metavar="USER", help="Run as USER[:GROUP], not as the package's user.")
]
KeysOption = Annotated[
    bool, typer.Option("--keys-only", help="Print the file with the keys, which is secret.")
]
SignOption = Annotated[
    bool, typer.Option("--sign/--no-sign", help="Sign with DNSSEC on the way: at one server only.")
]
ANYWHERE = ["0.0.0.0:53", "[::]:53"]
KNOT_SIGNS = "With --sign it signs the zone on the way and makes its ZONEMD anew."
NSD_SIGNS = "It does not sign: let it follow a Knot or a BIND that does."
BIND_SIGNS = "With --sign it signs the zone on the way; it cannot make a ZONEMD."


def add_commands(app: typer.Typer) -> None:
    """Add the commands that print a configuration of a DNS server."""
    app.command("knot", help=_help("Knot DNS", "knot", knot.FILE, knot.INCLUDE, KNOT_SIGNS))(
        _command(knot.knot_configuration, knot.knot_keys)
    )
    app.command("nsd", help=_help("NSD", "nsd", nsd.FILE, nsd.INCLUDE, NSD_SIGNS))(
        _command(nsd.nsd_configuration, nsd.nsd_keys)
    )
    app.command("bind", help=_help("BIND", "bind", bind.FILE, bind.INCLUDE, BIND_SIGNS))(
        _command(bind.bind_configuration, bind.bind_keys)
    )


def _help(program: str, command: str, file: str, include: str, signs: str) -> str:
    options = "--zone registry.example --primary 192.0.2.1:53 --key-file secondary.key"
    return f"""\
Print a configuration of {program} as a public secondary of the registry's zone.

It follows the registrar's hidden primary by NOTIFY and IXFR, signed with TSIG, and answers
everybody. {signs}

Example, the configuration and then its keys:

    countersign setup {command} {options} > {file}

    countersign setup {command} {options} --keys-only
    | install -m 0640 -g {command} /dev/stdin {include}
"""


def _command(
    configuration: Callable[[Plan], str], keys: Callable[[Plan], str]
) -> Callable[..., None]:
    def command(
        *,
        zone: ZoneOption,
        primary: PrimaryOption,
        key_file: KeyFileOption = None,
        sign: SignOption = False,
        allow_transfer_key: TransferKeyOption = None,
        notify: NotifyOption = None,
        listen: ListenOption = ANYWHERE,
        rate_limit: LimitOption = 200,
        directory: DirectoryOption = None,
        include: IncludeOption = None,
        user: UserOption = "",
        keys_only: KeysOption = False,
    ) -> None:
        try:
            plan = make_plan(
                zones=zone,
                primaries=primary,
                listen=listen,
                notify=notify or (),
                key=read_key_file(key_file) if key_file else None,
                transfer_keys=[read_key_file(path) for path in allow_transfer_key or ()],
                sign=sign,
                rate_limit=rate_limit,
                directory=directory,
                include=include,
                user=user,
            )
            typer.echo((keys if keys_only else configuration)(plan), nl=False)
        except ValueError as error:
            fail(str(error))

    return command
