"""The report of a certification test: what each perspective saw, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

from countersign.certification.advice import Software
from countersign.certification.advice.grouping import Matter, by_reason, matters, telling
from countersign.certification.outcome import Direction, Line, TestOutcome, Verdict
from countersign.certification.report import Finding, Report
from countersign.registrar.documents.characters import tidy_line
from countersign.registrar.documents.report_page import Block, Kind, ReportPage
from countersign.registrar.documents.sheet import Party, Sheet

MAX_TESTS = 250
"""Tests that are listed."""
MAX_DETAILED = 80
"""Tests of each verdict that are explained one by one."""
MAX_OUTCOMES = 3
"""Outcomes of one test that are explained."""
MAX_LINES = 14
"""Lines of a dialogue that are shown: its last ones."""
MAX_LINE = 200
MAX_TITLE = 120
MAX_EXPLANATION = 600
"""Characters of a line of a dialogue, a test's title, and what was found out by it."""
_COLUMNS = 6
"""Perspectives beside each other."""

WORDS = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "FAILED",
    Verdict.COULD_NOT_TEST: "not tested",
    Verdict.INFORMATION: "for information",
}
_VERDICTS = {
    Verdict.PASSED: "Passed",
    Verdict.FAILED: "Failed",
    Verdict.COULD_NOT_TEST: "Could not be tested",
}
_MARKS = {Direction.SENT: "→", Direction.RECEIVED: "←", Direction.NOTE: "·"}
_WORST_FIRST = (Verdict.FAILED, Verdict.COULD_NOT_TEST, Verdict.PASSED, Verdict.INFORMATION)


def report_pdf(
    report: Report,
    *,
    issuer: Party,
    made_at: datetime,
    number: int | None = None,
    cause: str = "",
) -> bytes:
    """Return the report of a test run as a PDF document, of a bounded number of pages.

    issuer: who had the test made; made_at: timezone-aware; number: of the run; cause: why it was
    made, for people.
    """
    host = tidy_line(report.host)
    facts = list(_facts(report, number, cause))
    blocks = list(_blocks(report))
    tables = [list(_table(report, labels)) for labels in _labels(report)]
    contents = [text for fact in facts for text in fact]
    contents += [text for block in blocks for text in block.texts]
    contents += [text for table in tables for row in table for text in row]
    sheet = Sheet(
        title=f"Certification test: {host}",
        issuer=issuer,
        made_at=made_at,
        footer=f"Certification test · {host}\n{_moment(made_at)}",
        contents="\n".join((*contents, "→←·•", *WORDS.values())),
    )
    page = ReportPage(sheet)
    page.title("Certification test", host)
    page.verdict(_VERDICTS[report.verdict], is_good=report.verdict is Verdict.PASSED)
    page.facts(facts)
    page.heading("All tests")
    for table in tables:
        page.table(table)
    for block in blocks:
        page.block(block)
    return sheet.octets()


def _facts(report: Report, number: int | None, cause: str) -> Iterator[tuple[str, str]]:
    results = [one.result for one in report.perspectives if one.result is not None]
    yield "Host", tidy_line(report.host)
    if results:
        addresses = dict.fromkeys(address for one in results for address in one.addresses)
        yield "Addresses", tidy_line(", ".join(islice(addresses, 16))) or "none"
        begun = min(one.begun_at for one in results)
        yield "Tested", f"{_moment(begun)} to {_moment(max(one.ended_at for one in results))}"
    if number is not None:
        yield "Test run", str(number)
    if cause:
        yield "Cause", tidy_line(cause)
    yield "Perspectives", f"{len(report.perspectives)}, of which {report.quorum} decide"
    silent = ", ".join(one.label for one in report.perspectives if one.result is None)
    if silent:
        yield "No result from", silent
    if report.unreached:
        yield "Not reached", ", ".join(report.unreached)
    counts = dict.fromkeys(_WORST_FIRST, 0)
    for finding in report.findings():
        counts[finding.verdict] += 1
    yield "Tests", ", ".join(f"{count} {WORDS[one].lower()}" for one, count in counts.items())
    if report.decision.differs:
        yield "Note", "Perspectives differ: the server passed for some of them, and failed others."


def _labels(report: Report) -> list[list[str]]:
    labels = [one.label for one in report.perspectives]
    return [labels[at : at + _COLUMNS] for at in range(0, len(labels), _COLUMNS)]


def _table(report: Report, labels: Sequence[str]) -> Iterator[list[str]]:
    """Yield the head, and a row for each test."""
    yield ["Test", *(labels if len(report.perspectives) > 1 else ["Verdict"])]
    findings = report.findings()
    for finding in findings[:MAX_TESTS]:
        yield [_cut(finding.title, MAX_TITLE), *(_word(finding, label) for label in labels)]
    if left := len(findings[MAX_TESTS:]):
        yield [f"and {left} more", *("" for _ in labels)]


def _word(finding: Finding, label: str) -> str:
    """Return the worst that one perspective saw, at whatever address."""
    seen = {outcome.verdict for whose, outcome in finding.seen if whose == label}
    return next((WORDS[verdict] for verdict in _WORST_FIRST if verdict in seen), "–")


def _blocks(report: Report) -> Iterator[Block]:
    findings = report.findings()
    for verdict, heading in (
        (Verdict.FAILED, "What failed, and what to do"),
        (Verdict.COULD_NOT_TEST, "What could not be tested"),
        (Verdict.INFORMATION, "Worth knowing"),
    ):
        of_it = [one for one in findings if one.verdict is verdict]
        if not of_it:
            continue
        yield Block(Kind.HEADING, heading)
        is_failure = verdict is Verdict.FAILED
        detailed = of_it[:MAX_DETAILED]
        several, single = ([], detailed) if is_failure else by_reason(detailed)
        for matter in matters(single):
            yield from _matter(matter, is_failure=is_failure)
        for group in several:
            yield Block(Kind.TEST, "; ".join(_cut(one.title, MAX_TITLE) for one in group))
            yield from _explanations(group[0])
        if left := len(of_it[MAX_DETAILED:]):
            yield Block(Kind.PROSE, f"{left} more are in the table above.")


def _matter(matter: Matter, *, is_failure: bool) -> Iterator[Block]:
    for finding in matter.findings:
        yield Block(Kind.TEST, _cut(finding.title, MAX_TITLE))
        yield from _explanations(finding, with_dialogue=is_failure)
    if matter.advice.why:
        yield Block(Kind.LABELLED, "What it means", matter.advice.why)
    if is_failure:
        yield from _fixes(matter)


def _explanations(finding: Finding, *, with_dialogue: bool = False) -> Iterator[Block]:
    for label, outcome in telling(finding)[:MAX_OUTCOMES]:
        where = f" ({tidy_line(outcome.address)})" if outcome.address else ""
        explanation = _cut(outcome.explanation, MAX_EXPLANATION)
        yield Block(Kind.PROSE, f"{label}{where}: {explanation}")
        if with_dialogue:
            yield from _dialogue(outcome)


def _fixes(matter: Matter) -> Iterator[Block]:
    advice = matter.advice
    if advice.gateway:
        yield Block(Kind.LABELLED, "Countersign gateway", advice.gateway)
    if advice.common:
        yield Block(Kind.LABELLED, "How to put it right", advice.common)
        return
    for software in Software:
        if software in advice.fix:
            yield Block(Kind.LABELLED, software.title, advice.fix[software])


def _dialogue(outcome: TestOutcome) -> Iterator[Block]:
    lines = outcome.transcript[-MAX_LINES:]
    if left := len(outcome.transcript) - len(lines):
        yield Block(Kind.WIRE, f"… {left} lines before")
    for line in lines:
        yield Block(Kind.WIRE, _wire(line))


def _wire(line: Line) -> str:
    return f"{line.at_ms / 1000:.1f} s {_MARKS[line.direction]} {_cut(line.text, MAX_LINE)}"


def _cut(text: str, characters: int) -> str:
    line = tidy_line(text)
    return line if len(line) <= characters else f"{line[:characters]}…"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
