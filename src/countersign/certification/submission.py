"""The ports for submission: strangers must not relay there either (RFC 6409, RFC 8314)."""

from __future__ import annotations

from collections.abc import Iterable

from countersign.certification import catalogue
from countersign.certification.attempt import attempt
from countersign.certification.catalogue import Test
from countersign.certification.form import fill_in, random_part
from countersign.certification.forms import PLAIN
from countersign.certification.judge import Judgement, failed, passed, untested
from countersign.certification.judge_relay import judge_relay, leaves_doubt
from countersign.certification.said import Said, Trouble, is_accepted, words
from countersign.certification.session import Session
from countersign.certification.visit import Visit

_NOT_OPEN = (Trouble.REFUSED, Trouble.NO_ROUTE)
"""What a port says that is closed, or whose packets a firewall refuses."""


async def check_submission(visit: Visit) -> None:
    """Test the port where TLS begins with STARTTLS."""
    tests = (catalogue.SUBMISSION_AUTH, catalogue.SUBMISSION)
    session = await visit.caller.call(visit.caller.settings.submission_port)
    if isinstance(session, Trouble):
        visit.sheet.add_all(tests, judge_no_connection(session))
        return
    try:
        said = await session.open(None)
        if not is_accepted(said):
            visit.sheet.add_all(tests, _no_dialogue(said))
            return
        visit.sheet.add(catalogue.SUBMISSION_AUTH, judge_auth_offered(session.extensions))
        if "STARTTLS" in session.extensions:
            said = await session.start_tls(visit.names.host)
            if session.tls() is None:
                visit.sheet.add(catalogue.SUBMISSION, _no_dialogue(said))
                return
            said = await session.hello()
        await _check_relay(visit, session, said, catalogue.SUBMISSION)
    finally:
        session.drop()


async def check_submissions(visit: Visit) -> None:
    """Test the port where TLS begins at once."""
    session = await visit.caller.call(visit.caller.settings.submissions_port)
    if isinstance(session, Trouble):
        visit.sheet.add(catalogue.SUBMISSIONS, judge_no_connection(session))
        return
    try:
        trouble = await session.begin_tls(visit.names.host)
        said = await session.open(None) if trouble is None else trouble
        await _check_relay(visit, session, said, catalogue.SUBMISSIONS)
    finally:
        session.drop()


async def _check_relay(visit: Visit, session: Session, hello: Said, test: Test) -> None:
    if not is_accepted(hello):
        visit.sheet.add(test, _no_dialogue(hello))
        return
    messages = visit.messages
    number = messages.new_number()
    envelope = fill_in(PLAIN, visit.names, "", random_part(), messages.local_parts(number))
    seen = await attempt(session, envelope, test, messages, number)
    await session.finish()
    judgement = judge_relay(seen, has_mailbox=bool(messages.mark))
    is_in_doubt = leaves_doubt(seen, judgement)
    visit.sheet.add(test, judgement, seen.numbers, is_essential=is_in_doubt)


def judge_no_connection(trouble: Trouble) -> Judgement:
    """Judge a port that cannot be connected to: to be closed is good."""
    if trouble in _NOT_OPEN:
        return passed("The port is not open.")
    return untested(f"The server {words(trouble)}: whether the port is open for others is unknown.")


def judge_auth_offered(extensions: Iterable[str]) -> Judgement:
    """Judge what is offered before TLS."""
    if any(keyword == "AUTH" or keyword.startswith("AUTH=") for keyword in extensions):
        return failed("AUTH is offered before TLS: passwords can be read on the way.")
    return passed("AUTH is not offered before TLS.")


def _no_dialogue(said: Said) -> Judgement:
    return untested(f"No dialogue came about: the server {words(said)}.")
