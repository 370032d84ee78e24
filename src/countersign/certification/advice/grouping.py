"""Findings that the same advice is for, together: it is then given once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from countersign.certification.advice import Advice, advice_for
from countersign.certification.outcome import TestOutcome
from countersign.certification.report import Finding

FEW = 3
"""Tests that could not be made for one reason, and are still told of one by one."""


@dataclass(frozen=True, slots=True)
class Matter:
    """What was found in some tests, and what to do about all of them."""

    advice: Advice
    findings: tuple[Finding, ...]


def matters(findings: Iterable[Finding]) -> list[Matter]:
    """Group findings by their advice, in the order of the first of each."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        advice = advice_for(finding.name)
        # What is known of no test stands by itself.
        key = (advice.why, *advice.fix.values()) if advice.why else ("", finding.name)
        groups.setdefault(key, []).append(finding)
    return [Matter(advice_for(group[0].name), tuple(group)) for group in groups.values()]


def telling(finding: Finding) -> list[tuple[str, TestOutcome]]:
    """Return the outcomes by which a finding has its verdict, with their perspectives' labels.

    Outcomes with the same explanation at one address stand together: 'A, B', and the first.
    """
    found: dict[tuple[str, str], tuple[list[str], TestOutcome]] = {}
    for label, outcome in finding.seen:
        if outcome.verdict is finding.verdict:
            key = (outcome.address, outcome.explanation)
            found.setdefault(key, ([], outcome))[0].append(label)
    return [(", ".join(labels), outcome) for labels, outcome in found.values()]


def by_reason(findings: Iterable[Finding]) -> tuple[list[list[Finding]], list[Finding]]:
    """Return groups of more than `FEW` findings with the same explanations; and all others."""
    groups: dict[tuple[tuple[str, str], ...], list[Finding]] = {}
    for finding in findings:
        reasons = tuple((one.address, one.explanation) for _, one in telling(finding))
        groups.setdefault(reasons, []).append(finding)
    several = [group for group in groups.values() if len(group) > FEW]
    return several, [one for group in groups.values() if len(group) <= FEW for one in group]
