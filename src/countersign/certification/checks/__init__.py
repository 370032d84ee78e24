"""The tests of one address but for the relay forms: what is said, and in which order."""

from __future__ import annotations

from countersign.certification.checks.in_clear import check_in_clear
from countersign.certification.checks.in_tls import check_in_tls, tests_in_tls
from countersign.certification.checks.questions import check_questions
from countersign.certification.checks.smuggling import check_smuggling, check_smuggling_in_chunks
from countersign.certification.checks.state import check_injection, check_reset
from countersign.certification.checks.strangers import check_strangers

__all__ = [
    "check_in_clear",
    "check_in_tls",
    "check_injection",
    "check_questions",
    "check_reset",
    "check_smuggling",
    "check_smuggling_in_chunks",
    "check_strangers",
    "tests_in_tls",
]
