"""The options of `countersign check server`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from countersign.certification.advice import Software

_TESTS, _PLACE, _RESULT = "Which tests", "From where", "What is shown"

HostArgument = Annotated[str, typer.Argument(help="Name of the server.", show_default=False)]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask whether you are responsible for it.")
]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Port of the server.")]
SubmissionPortOption = Annotated[
    int, typer.Option(min=0, max=65535, help="Port for submission; 0: not tested.")
]
SubmissionsPortOption = Annotated[
    int, typer.Option(min=0, max=65535, help="The same inside TLS; 0: not tested.")
]
MailDomainOption = Annotated[
    str, typer.Option(metavar="DOMAIN", help="Domain that it takes mail for, if not by MX.")
]
ForeignDomainOption = Annotated[
    str,
    typer.Option(
        metavar="DOMAIN",
        help="Domain that it takes no mail for; with --mailbox, one whose MX leads here.",
    ),
]
MailboxOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS:PORT",
        help="Listen there for test messages, which prove that the server relays or bounces; "
        "port 25 of the MX of --foreign-domain must lead to it.",
    ),
]
WaitOption = Annotated[
    float, typer.Option(min=0, max=86400, help="Seconds that messages have to arrive.")
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEST",
        help="Leave it out; `relay-*` works too. Repeatable.",
        rich_help_panel=_TESTS,
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(metavar="TEST", help="Make this one only. Repeatable.", rich_help_panel=_TESTS),
]
ListTestsOption = Annotated[
    bool, typer.Option("--list", help="List all tests, and end.", rich_help_panel=_TESTS)
]
ExplainOption = Annotated[
    str,
    typer.Option(
        metavar="TEST",
        help="Say what a test means, and how to put it right.",
        rich_help_panel=_TESTS,
    ),
]
NetworkOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CIDR",
        help="Private network that may be tested. Repeatable.",
        rich_help_panel=_PLACE,
    ),
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS",
        help="Local address to connect from. Repeatable.",
        rich_help_panel=_PLACE,
    ),
]
SocksOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS:PORT",
        help="Connect through this SOCKS5 proxy.",
        rich_help_panel=_PLACE,
    ),
]
NameserverOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS:PORT",
        help="Recursive resolver to ask. Repeatable.",
        rich_help_panel=_PLACE,
    ),
]
HelloOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Name to give in EHLO; default: this machine's.",
        rich_help_panel=_PLACE,
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(min=1, max=3600, help="Seconds to wait for each reply.", rich_help_panel=_PLACE),
]
PauseOption = Annotated[
    float,
    typer.Option(min=0, max=600, help="Seconds between two connections.", rich_help_panel=_PLACE),
]
SoftwareOption = Annotated[
    Software | None,
    typer.Option(help="Give advice for this program only.", rich_help_panel=_RESULT),
]
TranscriptOption = Annotated[
    bool,
    typer.Option("--transcript", help="Show what was said.", rich_help_panel=_RESULT),
]
AsJsonOption = Annotated[
    bool, typer.Option("--json", help="Print the report as JSON.", rich_help_panel=_RESULT)
]
PdfOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the report as PDF.", rich_help_panel=_RESULT),
]
