"""STARTTLS itself, and what is seen on the first connection inside TLS."""

from __future__ import annotations

from datetime import UTC, datetime

from countersign.certification import catalogue
from countersign.certification.certificate import judge_certificate
from countersign.certification.checks.calling import calling, random_part
from countersign.certification.judge import (
    Judgement,
    information,
    judge_mailbox,
    judge_start_tls,
    untested,
)
from countersign.certification.judge_state import judge_again, judge_argument, judge_control
from countersign.certification.said import Said, is_accepted, is_lost, is_refused, shape, words
from countersign.certification.session import Session
from countersign.certification.visit import Visit

_ENDED = "The dialogue inside TLS ended too early."
_REFUSES_US = (
    "It is refused in the same words as a stranger's mail to a foreign domain: either the server "
    "refuses the tester, or it takes no mail for this domain at all."
)


async def check_in_tls(visit: Visit) -> None:
    """Make the tests, and note in the visit whether STARTTLS works."""
    sheet = visit.sheet
    async with calling(visit, in_tls=False) as session:
        if isinstance(session, Session) and "STARTTLS" in session.extensions:
            said = await session.ask("STARTTLS now") if _wants_argument(visit) else None
            if said is not None:
                sheet.add(catalogue.START_TLS_ARGUMENT, judge_argument(said))
            if said is None or (is_refused(said) and session.is_usable):
                await _start_tls(session, visit)
                return
        else:
            _note_missing(session, visit)
            return
    # Whoever takes the argument waits for a handshake now.
    async with calling(visit, in_tls=False) as session:
        if isinstance(session, Session) and "STARTTLS" in session.extensions:
            await _start_tls(session, visit)
        else:
            _note_missing(session, visit)


def _wants_argument(visit: Visit) -> bool:
    return visit.sheet.wants(catalogue.START_TLS_ARGUMENT)


def _note_missing(session: Session | Said, visit: Visit) -> None:
    if isinstance(session, Session):
        visit.sheet.add(catalogue.START_TLS, judge_start_tls(None, None))
    else:
        visit.sheet.add(catalogue.START_TLS, untested(f"The server {words(session)}."))
    visit.sheet.add_missing(tests_in_tls(visit), "This test needs TLS.")


def tests_in_tls(visit: Visit) -> tuple[catalogue.Test, ...]:
    """Return the tests that are made here."""
    has_token = bool(visit.assignment.control_token)
    return tuple(test for test in catalogue.IN_TLS if has_token or test is not catalogue.CONTROL)


async def _start_tls(session: Session, visit: Visit) -> None:
    sheet = visit.sheet
    said = await session.start_tls(visit.caller.host)
    tls = session.tls()
    sheet.add(catalogue.START_TLS, judge_start_tls(said, tls))
    visit.has_tls = tls is not None
    if tls is not None:
        judgement = judge_certificate(session.certificate(), visit.names.host, datetime.now(UTC))
        sheet.add(catalogue.CERTIFICATE, judgement)
        await _check_inside(session, visit)
    sheet.add_missing(tests_in_tls(visit), "This test needs TLS.")


async def _check_inside(session: Session, visit: Visit) -> None:
    sheet = visit.sheet
    hello = await session.hello()
    sheet.add(catalogue.START_TLS_AGAIN, judge_again(hello, session.extensions))
    if token := visit.assignment.control_token:
        sheet.add(catalogue.CONTROL, judge_control(hello, session.extensions, token))
    for test, local_part in ((catalogue.POSTMASTER, "postmaster"), (catalogue.ABUSE, "abuse")):
        if sheet.wants(test):
            judgement = await _check_mailbox(session, visit, local_part)
            sheet.add(test, judgement, is_essential=visit.is_domain_unknown)


async def _check_mailbox(session: Session, visit: Visit, local_part: str) -> Judgement:
    names = visit.names
    if visit.is_domain_unknown:
        return untested("The DNS does not say which domain this host is the mail exchanger of.")
    if not names.mail_domain:
        return information("No domain is known that this host is the mail exchanger of.")
    if not session.is_usable:
        return untested(_ENDED)
    mailbox = f"{local_part}@{names.mail_domain}"
    mail = await session.ask("MAIL FROM:<>")
    recipient = await session.ask(f"RCPT TO:<{mailbox}>") if is_accepted(mail) else None
    judgement = judge_mailbox(mailbox, mail, recipient)
    if is_refused(recipient) and session.is_usable:
        foreign = await session.ask(f"RCPT TO:<{random_part()}@{names.foreign_domain}>")
        if shape(foreign) == shape(recipient):
            visit.refusal = shape(foreign)
            judgement = untested(_REFUSES_US)
    if not is_lost(recipient or mail) and session.is_usable:
        await session.ask("RSET")
    return judgement
