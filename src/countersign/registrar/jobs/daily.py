"""What is done every day: each step by itself, so that one which fails stops no other.

All steps may be repeated: they look for what is due, and find nothing where it is done.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

import structlog
from sqlalchemy import delete

from countersign.registrar.jobs.kinds import TryLaterError
from countersign.registrar.jobs.queue import remove_old
from countersign.registrar.operations import fees, sessions
from countersign.registrar.operations.contract_versions import ask_for_new_acceptance
from countersign.registrar.operations.control import order_checks
from countersign.registrar.operations.debts import suspend_debtors
from countersign.registrar.operations.lapsed import end_lapsed
from countersign.registrar.operations.offers import lapse_offers
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.rewrapping import rewrap_all
from countersign.registrar.operations.statements import carry_forward
from countersign.registrar.operations.test_schedule import order_due_tests
from countersign.registrar.operations.undertakings import end_undertakings
from countersign.registrar.publishing.addresses import forget_those_who_left
from countersign.registrar.publishing.journal import prune
from countersign.registrar.publishing.publisher import check_copy
from countersign.storage.database.accounts import IdempotentAnswer, OneTimeToken

log = structlog.get_logger()

ANSWERS_KEPT = datetime.timedelta(hours=24)
"""How long a program may repeat a request under the same idempotency key."""
TOKENS_KEPT = datetime.timedelta(days=30)
"""After they expired: limits of letters count the late ones."""


def remove_sessions(office: Office) -> int:
    """Remove sessions that have ended."""
    with office.work() as work:
        return sessions.remove_ended(work)


def remove_tokens(office: Office) -> int:
    """Remove one-time tokens that expired long ago."""
    with office.work() as work:
        old = OneTimeToken.expires_at < work.now - TOKENS_KEPT
        result = work.session.execute(delete(OneTimeToken).where(old))
        return int(result.rowcount)  # type: ignore[attr-defined]


def remove_answers(office: Office) -> int:
    """Remove answers that were kept in case a request is repeated."""
    with office.work() as work:
        old = IdempotentAnswer.created_at < work.now - ANSWERS_KEPT
        result = work.session.execute(delete(IdempotentAnswer).where(old))
        return int(result.rowcount)  # type: ignore[attr-defined]


def remove_jobs(office: Office) -> int:
    """Remove jobs that were done long ago, some at a time."""
    total = 0
    while True:
        with office.work() as work:
            removed = remove_old(work)
        if not removed:
            return total
        total += removed


STEPS: dict[str, Callable[[Office], object]] = {
    "fees": fees.run_daily,
    "debts": suspend_debtors,
    "offers that were not taken up": lapse_offers,
    "registrations that lapsed long ago": end_lapsed,
    "undertakings of sponsors": end_undertakings,
    "new versions of the contract": ask_for_new_acceptance,
    "tests that are due": order_due_tests,
    "totals of the ledger": carry_forward,
    "keys": rewrap_all,
    "addresses of those who left": forget_those_who_left,
    "journal of the zone": prune,
    "copy of the zone": check_copy,
    "proofs of control": order_checks,
    "sessions": remove_sessions,
    "one-time tokens": remove_tokens,
    "answers to programs": remove_answers,
    "old jobs": remove_jobs,
}


def run_daily(office: Office) -> None:
    """Do all steps. Raises :class:`TryLaterError` with those that failed."""
    failed = []
    for name, step in STEPS.items():
        try:
            result = step(office)
        except Exception as error:
            log.error("daily step failed", step=name, reason=type(error).__name__)
            failed.append(name)
        else:
            log.info("daily step done", step=name, result=str(result))
    if failed:
        raise TryLaterError(f"failed: {', '.join(failed)}")
