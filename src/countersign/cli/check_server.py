"""countersign check server: the certification tests, from one's own machine, before applying."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from countersign.certification.assignment import Assignment
from countersign.certification.outcome import Verdict
from countersign.certification.report import Report, one_perspective
from countersign.certification.settings import Battery, Standing
from countersign.cli.common import errors, fail
from countersign.cli.server_check.options import (
    AsJsonOption,
    ExplainOption,
    ForeignDomainOption,
    HelloOption,
    HostArgument,
    ListTestsOption,
    MailboxOption,
    MailDomainOption,
    NameserverOption,
    NetworkOption,
    OnlyOption,
    PauseOption,
    PdfOption,
    PortOption,
    SocksOption,
    SoftwareOption,
    SourceOption,
    SubmissionPortOption,
    SubmissionsPortOption,
    TimeoutOption,
    TranscriptOption,
    WaitOption,
    WithoutOption,
    YesOption,
)
from countersign.cli.server_check.printing import print_report
from countersign.cli.server_check.selection import (
    UnknownTestError,
    left_out,
    print_explanation,
    print_list,
)
from countersign.protocol.address import AddressSyntaxError, normalise_hostname
from countersign.settings.log import configure_log
from countersign.settings.values import Endpoint, Log

EXIT = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.COULD_NOT_TEST: 2}
_TIMEOUT, _PAUSE, _WAIT = 30.0, 2.0, 60.0
_FOREIGN = "example.net"


def check_server(
    host: HostArgument = "",
    *,
    yes: YesOption = False,
    port: PortOption = 25,
    submission_port: SubmissionPortOption = 587,
    submissions_port: SubmissionsPortOption = 465,
    mail_domain: MailDomainOption = "",
    foreign_domain: ForeignDomainOption = _FOREIGN,
    mailbox: MailboxOption = "",
    wait: WaitOption = _WAIT,
    without: WithoutOption = None,
    only: OnlyOption = None,
    list_tests: ListTestsOption = False,
    explain: ExplainOption = "",
    network: NetworkOption = None,
    source: SourceOption = None,
    socks: SocksOption = "",
    nameserver: NameserverOption = None,
    hello: HelloOption = "",
    timeout: TimeoutOption = _TIMEOUT,
    pause: PauseOption = _PAUSE,
    software: SoftwareOption = None,
    transcript: TranscriptOption = False,
    as_json: AsJsonOption = False,
    pdf: PdfOption = None,
) -> None:
    """Test a server as the registrar will, before you apply; and say how to put right what fails.

    Only servers that you are responsible for. Mail is sent to its own postmaster, and with
    --mailbox to the test mailbox. Without that, it cannot be told for sure whether a server relays
    what it accepts.

    The exit status is 0 if the server passed, 1 if it failed, 2 if it could not be tested.

    Example: countersign check server mail.example.org --software postfix --pdf report.pdf
    """
    console = Console()
    chosen = software.value if software is not None else ""
    if list_tests or explain:
        _tell(console, explain, chosen)
        return
    name = _host(host)
    if mailbox and foreign_domain == _FOREIGN:
        fail("--mailbox needs --foreign-domain: a domain whose MX leads to the mailbox")
    try:
        battery = Battery(
            port=port,
            submission_port=submission_port,
            submissions_port=submissions_port,
            hello=hello or _own_name(),
            foreign_domain=foreign_domain,
            timeout=timeout,
            pause=pause,
            without=left_out(without or (), only or ()),
        )
        standing = Standing(
            sources=tuple(source or ()),
            socks=socks,
            networks=tuple(network or ()),
            nameservers=tuple(nameserver or ()),
        )
        assignment = Assignment(host=name, mail_domain=mail_domain, battery=battery)
        endpoint: str = TypeAdapter(Endpoint | Literal[""]).validate_python(mailbox)
    except ValidationError as error:
        fail(_in_words(error))
    except UnknownTestError as error:
        fail(str(error))
    if pdf is not None and not pdf.parent.is_dir():
        fail(f"{pdf.parent} is no directory")
    if not yes and not _is_responsible(name):
        fail(f"{name} was not tested: only who is responsible for a server may have it tested")
    report = _run(assignment, standing, endpoint, wait)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        print_report(console, report, software=chosen, transcript=transcript)
    if pdf is not None:
        _write_pdf(pdf, report)
    raise typer.Exit(EXIT[report.verdict])


def _tell(console: Console, name: str, software: str) -> None:
    if not name:
        print_list(console)
        return
    try:
        print_explanation(console, name, software)
    except UnknownTestError as error:
        fail(str(error))


def _host(text: str) -> str:
    if not text:
        fail("name the server: countersign check server HOST (--help tells more)")
    try:
        return normalise_hostname(text)
    except AddressSyntaxError as error:
        fail(f"{text}: {error}")


def _own_name() -> str:
    name = socket.getfqdn()
    try:
        normalise_hostname(name)
    except AddressSyntaxError:
        return Battery().hello
    return name if "." in name else Battery().hello


def _is_responsible(host: str) -> bool:
    question = f"Are you responsible for {host}, and may it be tested from here?"
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        # Nobody is there to answer.
        return False


def _run(assignment: Assignment, standing: Standing, mailbox: str, wait: float) -> Report:
    # Here, as no other command is to wait until the battery is loaded.
    from countersign.certification.mailbox import ListenError
    from countersign.cli.server_check.running import Plan, run

    plan = Plan(assignment, standing, mailbox, wait)
    # What the mailbox does is in the report; only what breaks is told besides.
    configure_log(Log(level="error", format="console"))
    try:
        result = asyncio.run(run(plan, errors))
    except (AddressSyntaxError, ListenError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted: nothing is said of the server")
    return one_perspective(result)


def _write_pdf(file: Path, report: Report) -> None:
    from countersign.registrar.documents.report import report_pdf
    from countersign.registrar.documents.sheet import Party

    issuer = Party("Countersign: a test from one's own machine")
    try:
        file.write_bytes(report_pdf(report, issuer=issuer, made_at=datetime.now(UTC)))
    except OSError as error:
        fail(f"{file}: {error.strerror}")


def _in_words(error: ValidationError) -> str:
    return "\n".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}".removeprefix(": ")
        for fault in error.errors()
    )
