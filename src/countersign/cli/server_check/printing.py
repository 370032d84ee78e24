"""How a report is shown on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from countersign.certification.advice import INDENT, Advice, Software
from countersign.certification.advice.grouping import (
    Matter,
    by_reason,
    matters,
    telling,
)
from countersign.certification.outcome import BatteryResult, Direction, TestOutcome, Verdict
from countersign.certification.report import Finding, Report

WORDS = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "FAILED",
    Verdict.COULD_NOT_TEST: "could not test",
    Verdict.INFORMATION: "for information",
}
STYLES = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "bold red",
    Verdict.COULD_NOT_TEST: "yellow",
    Verdict.INFORMATION: "cyan",
}
_MARKS = {Direction.SENT: "→", Direction.RECEIVED: "←", Direction.NOTE: "·"}
_INDENTATION = (0, 0, 0, 2)


def print_report(console: Console, report: Report, *, software: str, transcript: bool) -> None:
    """Print a report from one perspective; software: give advice for it only, empty: for all."""
    result = report.perspectives[0].result
    if result is None:
        return
    for address in dict.fromkeys(outcome.address for outcome in result.outcomes):
        console.print(_table(address, result))
    findings = report.findings()
    failed = [one for one in findings if one.verdict is Verdict.FAILED]
    several, single = by_reason(one for one in findings if one.verdict is Verdict.COULD_NOT_TEST)
    for matter in matters([*failed, *single]):
        _print_matter(console, matter, software, transcript=transcript)
    for group in several:
        _print_group(console, group)
    if transcript:
        _print_dialogues(console, findings, [*failed, *single])
    _print_verdict(console, report)


def _table(address: str, result: BatteryResult) -> Table:
    name, verdict_column = Column("Test", no_wrap=True), Column("Verdict", no_wrap=True)
    table = Table(name, "What is tested", verdict_column, title=address or result.host)
    for outcome in result.outcomes:
        if outcome.address == address:
            verdict = Text(WORDS[outcome.verdict], STYLES[outcome.verdict])
            table.add_row(Text(outcome.name), Text(outcome.title), verdict)
    return table


def _print_matter(console: Console, matter: Matter, software: str, *, transcript: bool) -> None:
    for finding in matter.findings:
        console.print()
        console.print(Text(f"{finding.name}: {finding.title}", style="bold"))
        for _, outcome in finding.seen:
            if outcome.verdict in (Verdict.FAILED, Verdict.COULD_NOT_TEST):
                _print_outcome(console, outcome, transcript=transcript)
    print_advice(console, matter.advice, software)


def _print_group(console: Console, group: Sequence[Finding]) -> None:
    console.print()
    console.print(Text(", ".join(finding.name for finding in group), style="bold"))
    for _, outcome in telling(group[0]):
        _print_outcome(console, outcome, transcript=False)
    hint = "countersign check server --explain TEST tells what one of them means"
    console.print(Padding(Text(hint, style="dim"), _INDENTATION))


def _print_outcome(console: Console, outcome: TestOutcome, *, transcript: bool) -> None:
    where = f"{outcome.address}: " if outcome.address else ""
    line = Text.assemble(
        where, (WORDS[outcome.verdict], STYLES[outcome.verdict]), ". ", outcome.explanation
    )
    console.print(line)
    if transcript:
        _print_lines(console, outcome)


def _print_dialogues(
    console: Console, findings: Iterable[Finding], shown: Sequence[Finding]
) -> None:
    """Print what was said in the tests that have not been shown."""
    names = {finding.name for finding in shown}
    for finding in findings:
        for _, outcome in finding.seen if finding.name not in names else ():
            console.print()
            console.print(Text(f"{outcome.name} {outcome.address}", style="bold"))
            _print_outcome(console, outcome, transcript=True)


def _print_lines(console: Console, outcome: TestOutcome) -> None:
    for line in outcome.transcript:
        text = f"{line.at_ms / 1000:8.3f} {_MARKS[line.direction]} {line.text}"
        console.print(Text(text, style="dim"), soft_wrap=True)


def print_advice(console: Console, advice: Advice, software: str) -> None:
    """Print what a test means, and what to do."""
    if advice.why:
        _print_part(console, "What it means", advice.why)
    if advice.gateway:
        _print_part(console, "Countersign gateway", advice.gateway)
    if advice.common:
        _print_part(console, "How to put it right", advice.common)
        return
    for one in Software:
        if one in advice.fix and software in ("", one):
            _print_part(console, one.title, advice.fix[one])


def _print_part(console: Console, label: str, body: str) -> None:
    console.print(Padding(Text(label, style="bold cyan"), _INDENTATION))
    for line in body.splitlines():
        if line.startswith(INDENT):
            # To be copied as it is, however narrow the terminal.
            console.print(Text(f"  {line}", style="green"), soft_wrap=True)
        else:
            console.print(Padding(Text(line), _INDENTATION))


def _print_verdict(console: Console, report: Report) -> None:
    counts = dict.fromkeys(WORDS, 0)
    for finding in report.findings():
        counts[finding.verdict] += 1
    numbers = ", ".join(f"{count} {WORDS[verdict].lower()}" for verdict, count in counts.items())
    verdict = report.verdict
    console.print()
    if report.unreached:
        console.print(f"Not reached from here: {', '.join(report.unreached)}", markup=False)
    console.print(
        Text.assemble(f"{report.host}: ", (WORDS[verdict], STYLES[verdict]), f" ({numbers})")
    )
