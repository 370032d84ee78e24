"""The report of a test as a page shows it: bounded, with the advice for each test. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from countersign.certification.advice import INDENT, Advice, Software, advice_for
from countersign.certification.outcome import Line, TestOutcome, Verdict
from countersign.certification.report import Finding, Perspective, Report
from countersign.rules.perspectives import Seen

_GROUPS = (Verdict.FAILED, Verdict.COULD_NOT_TEST, Verdict.INFORMATION, Verdict.PASSED)
_WORST_FIRST = (Verdict.FAILED, Verdict.COULD_NOT_TEST, Verdict.PASSED, Verdict.INFORMATION)
MAX_LINES = 4000
"""Lines of transcripts on one page; the rest is in the JSON file."""
MAX_SIGHTINGS = 1500
"""Outcomes on one page."""
HEADS = {
    Verdict.FAILED: "Failed: to be put right",
    Verdict.COULD_NOT_TEST: "Could not be tested",
    Verdict.INFORMATION: "Worth knowing",
    Verdict.PASSED: "Passed",
}
_NOTHING = "no result"
SEEN_WORDS = {
    Seen.PASSED: "passed",
    Seen.FAILED: "failed",
    Seen.PROVEN: "failed, and it is proven",
    Seen.NOTHING: "nothing decided",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One perspective."""

    label: str
    mark: str
    """passed, failed, not-tested, or none: no result came."""
    words: str
    counts: tuple[tuple[str, int], ...]
    """Of how many tests each verdict is, the worst first."""
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one test came to, at one address, for perspectives that saw the same."""

    labels: str
    outcome: TestOutcome
    lines: tuple[Line, ...]
    is_cut: bool
    """Something of the transcript is left out."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an advice: text that flows, or settings and commands as they are."""

    text: str
    is_code: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One test."""

    finding: Finding
    why: str
    fixes: tuple[tuple[str, tuple[Piece, ...]], ...]
    """Name of a program, and what to do there; empty where nothing has to be done."""
    marks: tuple[tuple[str, str], ...]
    """Label of each perspective, and its mark; see `Column`."""
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report."""

    verdict: Verdict
    differs: bool
    unreached: tuple[str, ...]
    """Addresses that no perspective could talk to."""
    quorum: int
    columns: tuple[Column, ...]
    groups: tuple[tuple[Verdict, tuple[Shown, ...]], ...]
    is_cut: bool
    """Not all is on the page."""


@dataclass(slots=True)
class _Budget:
    lines: int = MAX_LINES
    sightings: int = MAX_SIGHTINGS
    is_spent: bool = field(default=False)


def report_view(report: Report, *, everything: bool) -> ReportView:
    """Return what a page shows. everything: what was said in tests that were passed, too."""
    budget = _Budget()
    labels = [one.label for one in report.perspectives]
    findings = report.findings()
    groups = [
        (
            verdict,
            tuple(
                _shown(one, labels, budget, everything=everything)
                for one in findings
                if one.verdict is verdict
            ),
        )
        for verdict in _GROUPS
    ]
    return ReportView(
        report.verdict,
        report.decision.differs,
        report.unreached,
        report.quorum,
        tuple(_column(one) for one in report.perspectives),
        tuple(group for group in groups if group[1]),
        budget.is_spent,
    )


def _column(perspective: Perspective) -> Column:
    if perspective.result is None:
        return Column(perspective.label, "none", _NOTHING, (), ())
    seen = perspective.seen
    mark = {Seen.PASSED: "passed", Seen.NOTHING: "not-tested"}.get(seen, "failed")
    counted = Counter(outcome.verdict for outcome in perspective.result.outcomes)
    counts = tuple((str(one), counted[one]) for one in _WORST_FIRST if counted[one])
    addresses = perspective.result.addresses
    return Column(perspective.label, mark, SEEN_WORDS[seen], counts, addresses)


def _shown(finding: Finding, labels: Sequence[str], budget: _Budget, *, everything: bool) -> Shown:
    advice = advice_for(finding.name)
    is_passed = finding.verdict is Verdict.PASSED
    return Shown(
        finding,
        advice.why,
        tuple(_fixes(advice)) if not is_passed else (),
        tuple((label, _mark(finding, label)) for label in labels),
        tuple(_sightings(finding, budget, with_lines=everything or not is_passed)),
    )


def _mark(finding: Finding, label: str) -> str:
    verdicts = {outcome.verdict for seen_by, outcome in finding.seen if seen_by == label}
    worst = next((verdict for verdict in _WORST_FIRST if verdict in verdicts), None)
    return {None: "none", Verdict.COULD_NOT_TEST: "not-tested"}.get(worst, str(worst))


def _sightings(finding: Finding, budget: _Budget, *, with_lines: bool) -> Iterator[Sighting]:
    alike: dict[tuple[str, str, str], tuple[list[str], TestOutcome]] = {}
    for label, outcome in finding.seen:
        key = (outcome.address, outcome.verdict, outcome.explanation)
        alike.setdefault(key, ([], outcome))[0].append(label)
    for labels, outcome in alike.values():
        if budget.sightings <= 0:
            budget.is_spent = True
            return
        budget.sightings -= 1
        lines = outcome.transcript[: budget.lines] if with_lines else ()
        budget.lines -= len(lines)
        is_cut = with_lines and len(lines) < len(outcome.transcript)
        budget.is_spent = budget.is_spent or is_cut
        yield Sighting(", ".join(dict.fromkeys(labels)), outcome, lines, is_cut)


def _fixes(advice: Advice) -> Iterator[tuple[str, tuple[Piece, ...]]]:
    if advice.common:
        yield "Every mail server", pieces(advice.common)
    else:
        for software in Software:
            if text := advice.fix.get(software, ""):
                yield software.title, pieces(text)
    if advice.gateway:
        yield "The Countersign gateway", pieces(advice.gateway)


def pieces(text: str) -> tuple[Piece, ...]:
    """Split a text of the advice into what flows and what is to be set as it is."""
    found = []
    for is_code, group in groupby(text.splitlines(), lambda line: line.startswith(INDENT)):
        lines = [line.removeprefix(INDENT) if is_code else line.strip() for line in group]
        joined = ("\n" if is_code else " ").join(lines).strip()
        if joined:
            found.append(Piece(joined, is_code))
    return tuple(found)
