"""The relay test before an offer: a battery of tests against a mail server, over sockets."""

from countersign.registrar.certification.outcome import (
    BatteryResult,
    Direction,
    Line,
    TestOutcome,
    Verdict,
    overall_verdict,
)
from countersign.registrar.certification.run import run_battery, run_battery_now

__all__ = [
    "BatteryResult",
    "Direction",
    "Line",
    "TestOutcome",
    "Verdict",
    "overall_verdict",
    "run_battery",
    "run_battery_now",
]
