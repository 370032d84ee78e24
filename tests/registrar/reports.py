"""Reports of relay tests, as a run leaves them, for tests of pages and of the API."""

from __future__ import annotations

from sqlalchemy import select

from countersign.certification.outcome import (
    BatteryResult,
    Direction,
    Line,
    Proof,
    TestOutcome,
    Verdict,
)
from countersign.certification.report import Perspective, Report
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.test_results import record_result
from countersign.storage.database.servers import TestRun

EVIL = "<script>alert(1)</script>"


def outcome(name: str, title: str, verdict: Verdict, proof: Proof = Proof.NONE) -> TestOutcome:
    """Return what a test came to, with a line that must be escaped."""
    return TestOutcome(
        name=name,
        title=title,
        verdict=verdict,
        explanation=f"{title} was seen.",
        is_essential=True,
        address="192.0.2.25",
        transcript=(Line(5, Direction.RECEIVED, f"250 {title} {EVIL}"),),
        proof=proof,
    )


def result(office: Office, *outcomes: TestOutcome) -> BatteryResult:
    """Return what one perspective saw."""
    return BatteryResult(
        host="mail.muller.com.au",
        addresses=("192.0.2.25",),
        begun_at=office.clock(),
        ended_at=office.clock(),
        outcomes=outcomes,
    )


def differing(office: Office) -> Report:
    """Return a report of three perspectives: one failed with proof, one passed, one is silent."""
    seen = (Verdict.FAILED, Proof.RELAYED), (Verdict.PASSED, Proof.NONE)
    results = [
        result(
            office,
            outcome("starttls", "Greeting", Verdict.PASSED),
            outcome("relay-percent", "Percent hack", *one),
        )
        for one in seen
    ]
    perspectives = (
        *(Perspective(label=label, result=one) for label, one in zip("AB", results, strict=True)),
        Perspective(label="C", result=None),
    )
    return Report(host="mail.muller.com.au", quorum=2, perspectives=perspectives)


def end_with(office: Office, server_id: int, report: Report) -> int:
    """End the last run of a server with a report; return the run's key."""
    with office.work() as work:
        run = work.session.scalars(
            select(TestRun).where(TestRun.server_id == server_id).order_by(TestRun.id.desc())
        ).first()
        assert run is not None
        values = report.to_dict()
        record_result(work, run, report.verdict, values, differs=report.decision.differs)
        return run.id
