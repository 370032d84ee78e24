"""What a server keeps from before the TLS handshake (RFC 3207 §4.2, §6)."""

from __future__ import annotations

from countersign.certification import catalogue
from countersign.certification.checks.calling import calling
from countersign.certification.judge import (
    Injected,
    Judgement,
    judge_injection,
    passed,
    untested,
)
from countersign.certification.judge_state import judge_reset
from countersign.certification.said import is_accepted, is_lost, is_refused, words
from countersign.certification.session import Session
from countersign.certification.visit import Visit


async def check_injection(visit: Visit) -> None:
    """Send a command in clear behind STARTTLS, and see whether it is obeyed inside TLS."""
    async with calling(visit, in_tls=False) as session:
        if isinstance(session, Session):
            judgement = judge_injection(await _inject(session, visit.caller.host))
        else:
            judgement = untested(f"The server {words(session)}.")
        visit.sheet.add(catalogue.INJECTION, judgement)


async def _inject(session: Session, host: str) -> Injected:
    said = await session.start_tls(host, injected=b"NOOP\r\n")
    if session.tls() is None:
        return Injected(said)
    session.expect_reply()
    first = await session.hello()
    if is_lost(first):
        return Injected(said, first)
    return Injected(said, first, await session.ask("QUIT"))


async def check_reset(visit: Visit) -> None:
    """Begin a transaction in clear, and see whether it goes on inside TLS."""
    async with calling(visit, in_tls=False) as session:
        if isinstance(session, Session):
            judgement = await _go_on(session, visit)
        else:
            judgement = untested(f"The server {words(session)}.")
        visit.sheet.add(catalogue.RESET, judgement)


async def _go_on(session: Session, visit: Visit) -> Judgement:
    mail = await session.ask("MAIL FROM:<>")
    if is_refused(mail):
        return passed(f"No transaction begins in clear: to MAIL the server {words(mail)}.")
    if not is_accepted(mail) or not session.is_usable:
        return untested(f"To MAIL the server {words(mail)}.")
    said = await session.start_tls(visit.caller.host)
    if session.tls() is None:
        return judge_reset(said, None, None)
    hello = await session.hello()
    if not is_accepted(hello) or not session.is_usable:
        return judge_reset(said, hello, None)
    domain = visit.names.mail_domain
    recipient = f"postmaster@{domain}" if domain else "postmaster"
    return judge_reset(said, hello, await session.ask(f"RCPT TO:<{recipient}>"))
