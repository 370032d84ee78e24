"""The relay test before an offer: a battery of tests against a mail server, over sockets."""

from countersign.certification.outcome import (
    BatteryResult,
    Direction,
    Line,
    TestOutcome,
    Verdict,
    overall_verdict,
)
from countersign.certification.run import run_battery

__all__ = [
    "BatteryResult",
    "Direction",
    "Line",
    "TestOutcome",
    "Verdict",
    "overall_verdict",
    "run_battery",
]
