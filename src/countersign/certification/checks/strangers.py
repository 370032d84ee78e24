"""What the server tells strangers inside TLS of its users, and how they may log in."""

from __future__ import annotations

import base64

from countersign.certification import catalogue
from countersign.certification.checks.calling import calling, random_part
from countersign.certification.judge_strangers import (
    judge_anonymous,
    judge_expn,
    judge_vrfy,
    judge_weak,
    mechanisms_of,
)
from countersign.certification.said import Said, Trouble, is_lost, words
from countersign.certification.session import Session
from countersign.certification.visit import Visit

_TRACE = base64.b64encode(b"relaytest").decode()
"""What AUTH ANONYMOUS gives for the server's log (RFC 4505)."""


async def check_strangers(visit: Visit) -> None:
    """Ask for users and lists, and to be let in without a password."""
    async with calling(visit, in_tls=True) as session:
        if not isinstance(session, Session):
            visit.sheet.add_missing(catalogue.STRANGERS, f"The server {words(session)}.")
            return
        mechanisms = mechanisms_of(session.extensions)
        await _check_users(session, visit)
        visit.sheet.add(catalogue.AUTH_WEAK, judge_weak(mechanisms))
        # Last: who is let in is another client from then on.
        if visit.sheet.wants(catalogue.AUTH_ANONYMOUS):
            said = await _log_in(session) if mechanisms else None
            visit.sheet.add(catalogue.AUTH_ANONYMOUS, judge_anonymous(said))


async def _check_users(session: Session, visit: Visit) -> None:
    sheet, domain = visit.sheet, visit.names.mail_domain
    at = f"@{domain}" if domain else ""
    if sheet.wants(catalogue.VRFY):
        known = await session.ask(f"VRFY postmaster{at}")
        unknown = None if is_lost(known) else await _ask(session, f"VRFY {random_part()}{at}")
        sheet.add(catalogue.VRFY, judge_vrfy(known, unknown))
    if sheet.wants(catalogue.EXPN):
        mailbox = f"postmaster{at}"
        sheet.add(catalogue.EXPN, judge_expn(await _ask(session, f"EXPN {mailbox}"), mailbox))


async def _log_in(session: Session) -> Said:
    said = await _ask(session, f"AUTH ANONYMOUS {_TRACE}")
    if not isinstance(said, Trouble) and said.is_intermediate:
        # It wants to hear the trace once more; nothing else is ever given.
        said = await _ask(session, _TRACE)
    if not isinstance(said, Trouble) and said.is_intermediate:
        await _ask(session, "*")
    return said


async def _ask(session: Session, command: str) -> Said:
    return await session.ask(command) if session.is_usable else Trouble.CLOSED
