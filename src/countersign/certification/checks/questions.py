"""Questions about sessions, as any receiver may ask them (docs/PROTOCOL.md §3)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from countersign.certification import catalogue
from countersign.certification.checks.calling import calling
from countersign.certification.judge import says_false
from countersign.certification.judge_questions import (
    NOT_OFFERED,
    judge_sequence,
    judge_suspension,
    judge_syntax,
    judge_verification,
)
from countersign.certification.said import Said, Trouble, is_accepted, words
from countersign.certification.session import Session
from countersign.certification.visit import Visit
from countersign.protocol.session_id import ALPHABET


def wrong_id(visit: Visit) -> str:
    """Return an ID that no server has given: to guess a true one is out of the question."""
    length = visit.caller.settings.session_id_length
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


async def check_questions(visit: Visit) -> None:
    """Ask too early, wrongly, about a wrong ID, and once more on another connection.

    In this order: after a wrong ID a server answers nothing for some minutes.
    """
    async with _before_hello(visit) as session:
        if not isinstance(session, Session):
            visit.sheet.add_missing(catalogue.QUESTIONS, f"The server {words(session)}.")
            return
        early = await session.ask(f"XVERIFY {wrong_id(visit)}")
        visit.answered_false |= says_false(early)
        if session.is_usable and is_accepted(await session.hello()) and session.is_usable:
            await _ask_wrongly(session, visit, early)
            if session.is_usable:
                await _ask_about_wrong_id(session, visit)
    await _make_up_for(visit, early)
    await _ask_again(visit)


@asynccontextmanager
async def _before_hello(visit: Visit) -> AsyncIterator[Session | Said]:
    """Give a session inside TLS in which EHLO was said outside only."""
    async with calling(visit, in_tls=False) as session:
        if isinstance(session, Session):
            said = await session.start_tls(visit.caller.host)
            yield said if session.tls() is None else session
        else:
            yield session


async def _make_up_for(visit: Visit, early: Said) -> None:
    """Ask on another connection what could not be asked on the first."""
    done = {outcome.name for outcome in visit.sheet.outcomes}
    if catalogue.VERIFICATION.name in done or not visit.sheet.wants(catalogue.VERIFICATION):
        return
    async with calling(visit, in_tls=True) as session:
        if not isinstance(session, Session):
            visit.sheet.add_missing(catalogue.QUESTIONS, f"The server {words(session)}.")
            return
        if catalogue.VERIFICATION_SEQUENCE.name not in done:
            await _ask_wrongly(session, visit, early)
        await _ask_about_wrong_id(session, visit)


async def _ask_wrongly(session: Session, visit: Visit, early: Said) -> None:
    """Note what was answered to the question before EHLO, and ask about what is no ID."""
    sheet = visit.sheet
    if "XVERIFY" not in session.extensions:
        sheet.add(catalogue.VERIFICATION_SEQUENCE, NOT_OFFERED)
        sheet.add(catalogue.VERIFICATION_SYNTAX, NOT_OFFERED)
        return
    sheet.add(catalogue.VERIFICATION_SEQUENCE, judge_sequence(early))
    if sheet.wants(catalogue.VERIFICATION_SYNTAX):
        attempts = await _ask_malformed(session, wrong_id(visit))
        visit.answered_false |= any(says_false(said) for _, said in attempts)
        sheet.add(catalogue.VERIFICATION_SYNTAX, judge_syntax(attempts))


async def _ask_malformed(session: Session, whole: str) -> list[tuple[str, Said]]:
    attempts: list[tuple[str, Said]] = []
    for what, text in (
        ("half an ID", whole[: len(whole) // 2]),
        ("an ID that is too long", whole + whole[:1]),
        ("an ID with a sign in it", f"{whole[:-1]}-"),
    ):
        if not session.is_usable:
            break
        attempts.append((what, await session.ask(f"XVERIFY {text}")))
    return attempts


async def _ask_about_wrong_id(session: Session, visit: Visit) -> None:
    extensions = dict(session.extensions)
    said = await _ask(session, visit)
    visit.answered_false |= says_false(said)
    judgement = judge_verification(extensions, said, answered_elsewhere=visit.answered_elsewhere)
    visit.sheet.add(catalogue.VERIFICATION, judgement)


async def _ask_again(visit: Visit) -> None:
    if not visit.sheet.wants(catalogue.VERIFICATION_SUSPENSION):
        return
    async with calling(visit, in_tls=True) as session:
        if isinstance(session, Session):
            said = await _ask(session, visit)
        else:
            said = session
    has_answered = visit.answered_false or visit.answered_elsewhere
    judgement = NOT_OFFERED
    if said is not None:
        judgement = judge_suspension(said, has_answered=has_answered)
    visit.sheet.add(catalogue.VERIFICATION_SUSPENSION, judgement)


async def _ask(session: Session, visit: Visit) -> Said | None:
    """Ask about a wrong ID; None where questions are not offered."""
    if "XVERIFY" not in session.extensions:
        return None
    command = f"XVERIFY {wrong_id(visit)}"
    said = await session.ask(command)
    if not isinstance(said, Trouble) and said.is_intermediate and session.is_usable:
        # Our certificate was asked for: we have none, and ask once more (PROTOCOL 3.1).
        said = await session.ask(command)
    return said
