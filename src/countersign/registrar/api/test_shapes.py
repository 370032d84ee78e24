"""Shapes of relay tests and of the proof of control."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import Field

from countersign.certification.advice import advice_for
from countersign.certification.outcome import BatteryResult, Verdict
from countersign.certification.report import Finding, Report
from countersign.protocol.control import control_name, control_text, zone_line
from countersign.registrar.api.shapes import Shape
from countersign.rules.perspectives import Seen
from countersign.storage.database.servers import Server, TestRun

_Label = Annotated[str, Field(pattern=r"^[A-Z]$")]


class TestView(Shape):
    """A run of the certification battery."""

    __test__ = False

    id: int
    cause: str
    """'application', 'owner', 'staff', 'report', 'schedule', 'arrival'."""
    asked_at: datetime.datetime
    ended_at: datetime.datetime | None
    verdict: str
    """Empty: not made yet; else 'passed', 'failed', 'could-not-test'."""
    differs: bool
    """Some perspectives saw it pass and others saw it fail."""


class Tests(Shape):
    """Runs of the certification battery, the latest first."""

    items: list[TestView]
    next: str | None


class AdviceView(Shape):
    """What a test means, and what to do if it fails."""

    why: str
    fix: dict[str, str]
    """By mail server: 'postfix', 'exim', 'exchange', 'sendmail'. Lines that are indented by four \
spaces are settings or commands."""
    gateway: str
    """What to set in Countersign's own gateway; empty: it is not concerned."""


class SightingView(Shape):
    """What one test came to, from one perspective at one address."""

    perspective: _Label
    address: str
    """Empty: it concerns the host as a whole."""
    verdict: Verdict


class FindingView(Shape):
    """One test, seen from all perspectives."""

    name: str
    """Stable."""
    title: str
    is_essential: bool
    """Without it nothing can be said of the server as a whole."""
    verdict: Verdict
    """The worst that was seen."""
    differs: bool
    """Some perspectives saw it pass and others saw it fail."""
    seen: list[SightingView]
    advice: AdviceView

    @classmethod
    def of(cls, finding: Finding) -> FindingView:
        """Return the view of a finding."""
        advice = advice_for(finding.name)
        return cls(
            name=finding.name,
            title=finding.title,
            is_essential=finding.is_essential,
            verdict=finding.verdict,
            differs=finding.differs,
            seen=[
                SightingView(perspective=label, address=one.address, verdict=one.verdict)
                for label, one in finding.seen
            ],
            advice=AdviceView(
                why=advice.why,
                fix={str(software): text for software, text in advice.fix.items()},
                gateway=advice.gateway,
            ),
        )


class PerspectiveView(Shape):
    """What was seen from one network. Who looked, and from where, is not told."""

    label: _Label
    seen: Seen
    """'passed', 'failed', 'proven' (failed, and a message that arrived proves it), 'nothing'."""
    result: BatteryResult | None
    """All tests with their transcripts; null: no result came in time."""


class DecisionView(Shape):
    """What all perspectives say together."""

    verdict: Seen
    """'passed', 'failed', 'nothing': undecided."""
    differs: bool


class ReportView(Shape):
    """What a test found out."""

    host: str
    quorum: int
    """Perspectives that must agree."""
    decision: DecisionView
    unreached: list[str]
    """Addresses that no perspective could talk to; without them a host has not passed."""
    perspectives: list[PerspectiveView]
    findings: list[FindingView]

    @classmethod
    def of(cls, report: Report) -> ReportView:
        """Return the view of a report."""
        decision = report.decision
        return cls(
            host=report.host,
            quorum=report.quorum,
            decision=DecisionView(verdict=decision.verdict, differs=decision.differs),
            unreached=list(report.unreached),
            perspectives=[
                PerspectiveView(label=one.label, seen=one.seen, result=one.result)
                for one in report.perspectives
            ],
            findings=[FindingView.of(one) for one in report.findings()],
        )


class TestResult(TestView):
    """A run of the certification battery with its report."""

    report: ReportView | None
    """Null: it has not ended, or no report was kept."""

    @classmethod
    def of(cls, run: TestRun, report: Report | None) -> TestResult:
        """Return the view of a run."""
        values = {name: getattr(run, name) for name in TestView.model_fields}
        return cls(**values, report=None if report is None else ReportView.of(report))


class ControlView(Shape):
    """How an applicant proves control of the host, and whether it is proven."""

    token: str
    dns_name: str
    dns_text: str
    """Content of the TXT record at `dns_name`."""
    zone_line: str
    """The same as a line of a zone file."""
    proven_at: datetime.datetime | None
    """Null: not proven yet."""
    method: str
    """'dns' or 'gateway'; empty: not proven yet."""
    checked_at: datetime.datetime | None
    """When it was last looked for."""
    seen: str
    """What was seen then, in words."""
    is_being_looked_for: bool

    @classmethod
    def of(cls, server: Server, *, is_being_looked_for: bool) -> ControlView:
        """Return the view of a server."""
        return cls(
            token=server.control_token,
            dns_name=control_name(server.hostname),
            dns_text=control_text(server.control_token),
            zone_line=zone_line(server.hostname, server.control_token),
            proven_at=server.control_proven_at,
            method=server.control_method,
            checked_at=server.control_checked_at,
            seen=server.control_seen,
            is_being_looked_for=is_being_looked_for,
        )
