"""Tests of servers as senders (DESIGN §8).

The owner lets a server send a message, and the test mailbox asks the host whether it did. The
questions are in `certification/mailbox/sender.py`.
"""

from __future__ import annotations

import datetime
import secrets
from typing import Any

from sqlalchemy import func, select

from countersign.certification.outcome import Verdict
from countersign.certification.test_address import ALPHABET, MARK_LENGTH, Kind, TestAddress
from countersign.registrar.operations import certifications
from countersign.registrar.operations.access import require
from countersign.registrar.operations.certifications import NOT_TESTED
from countersign.registrar.operations.control import NOT_PROVEN, is_proven
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.events import add_event
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import SYSTEM, Actor, OperationError, Work
from countersign.registrar.operations.transitions import move
from countersign.rules.access import Permission
from countersign.rules.life_cycle import Action, State
from countersign.storage.database.probing import SendingTest
from countersign.storage.database.servers import Server

GOOD_DAYS = 7
TESTS_A_DAY = 10


def ask(work: Work, actor: Actor, server: Server) -> SendingTest:
    """Begin a test of a server as a sender; one that waits for its message goes on.

    Raises :class:`OperationError`: the host is not proven, or it was asked too often.
    """
    require(actor, Permission.ASK_TEST)
    hold(work, server)
    if server.state in NOT_TESTED:
        raise OperationError("Servers are tested once their application has been screened.")
    if not is_proven(server):
        raise OperationError(NOT_PROVEN)
    if not work.config.certification.mailbox.listen:
        raise OperationError("This registrar has no test mailbox to send a message to.")
    waiting = current(work, server)
    if waiting is not None and not waiting.verdict:
        return waiting
    since = work.now - datetime.timedelta(hours=24)
    asked = select(func.count()).where(
        SendingTest.server_id == server.id, SendingTest.made_at > since
    )
    if (work.session.scalar(asked) or 0) >= TESTS_A_DAY:
        raise OperationError(f"A server is tested as a sender {TESTS_A_DAY} times a day at most.")
    made = SendingTest(
        server_id=server.id,
        mark="".join(secrets.choice(ALPHABET) for _ in range(MARK_LENGTH)),
        made_at=work.now,
        ends_at=work.now + datetime.timedelta(days=GOOD_DAYS),
        result={},
    )
    work.session.add(made)
    work.session.flush()
    add_event(work, server, Deed.SENDING_TEST_ASKED, actor, details={"sending_test": made.id})
    return made


def address_of(work: Work, test: SendingTest) -> str:
    """Return the address to which the server is to send a message: any message."""
    local_part = TestAddress(Kind.SENDING, test.mark)
    return f"{local_part}@{work.config.certification.foreign_domain}"


def current(work: Work, server: Server) -> SendingTest | None:
    """Return the latest test of a server that still takes a message; None: there is none."""
    return work.session.scalar(
        select(SendingTest)
        .where(
            SendingTest.server_id == server.id,
            SendingTest.ended_at.is_(None),
            SendingTest.ends_at > work.now,
        )
        .order_by(SendingTest.id.desc())
        .limit(1)
    )


def latest(work: Work, server: Server) -> SendingTest | None:
    """Return the latest test of a server; None: there was none."""
    return work.session.scalar(
        select(SendingTest)
        .where(SendingTest.server_id == server.id)
        .order_by(SendingTest.id.desc())
        .limit(1)
    )


def has_passed(work: Work, server: Server) -> bool:
    """Tell whether the latest test that came to a verdict was passed."""
    verdict = work.session.scalar(
        select(SendingTest.verdict)
        .where(
            SendingTest.server_id == server.id,
            SendingTest.verdict.in_((Verdict.PASSED, Verdict.FAILED)),
        )
        .order_by(SendingTest.id.desc())
        .limit(1)
    )
    return verdict == Verdict.PASSED


def is_awaited(work: Work, server: Server) -> bool:
    """Tell whether a server may not be offered a registration before it has sent a message."""
    return work.config.certification.sending_test == "required" and not has_passed(work, server)


def find(work: Work, mark: str) -> SendingTest | None:
    """Return the test with a mark."""
    return work.session.scalar(select(SendingTest).where(SendingTest.mark == mark))


def host_of_mark(work: Work, mark: str) -> str | None:
    """Return the host that a test is of, if it still takes a message."""
    return work.session.scalar(
        select(Server.hostname)
        .join(SendingTest, SendingTest.server_id == Server.id)
        .where(
            SendingTest.mark == mark,
            SendingTest.ended_at.is_(None),
            SendingTest.ends_at > work.now,
            Server.state.not_in(NOT_TESTED),
        )
    )


def record(work: Work, test: SendingTest, verdict: str, result: dict[str, Any]) -> None:
    """Keep what was found out. The test ends when it has passed or failed.

    Until then a later message may have another result; afterwards only more may become known of
    the same one. result: `BatteryResult.to_dict()`. Raises :class:`ValueError` for an unknown
    verdict.
    """
    ending = Verdict(verdict)
    if ending is Verdict.INFORMATION:
        raise ValueError("information is no verdict of a test")
    server = work.session.get_one(Server, test.server_id)
    hold(work, server)
    hold(work, test)
    if test.ended_at is not None:
        if test.verdict == ending and test.result.get("begun_at") == result.get("begun_at"):
            test.result = result
        return
    test.verdict, test.result = ending, result
    if ending is Verdict.COULD_NOT_TEST:
        return
    test.ended_at = work.now
    details = {"sending_test": test.id}
    if ending is Verdict.FAILED:
        add_event(work, server, Deed.SENDING_TEST_FAILED, SYSTEM, details=details)
        return
    add_event(work, server, Deed.SENDING_TEST_PASSED, SYSTEM, details=details)
    if server.state is State.SCREENED and certifications.has_passed(work, server):
        # All else is done, and only this was waited for.
        move(work, server, Action.PASS_TEST, SYSTEM, details=details)
