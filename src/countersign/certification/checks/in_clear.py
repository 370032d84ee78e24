"""The tests outside TLS, on the first connection."""

from __future__ import annotations

import base64
import secrets

from countersign.certification import catalogue
from countersign.certification.checks.questions import wrong_id
from countersign.certification.judge import (
    GIVEN_AT_ONCE,
    information,
    judge_auth_in_clear,
    judge_client_override,
    judge_greeting,
    judge_hello,
    judge_verification_in_clear,
    untested,
)
from countersign.certification.outcome import Verdict
from countersign.certification.said import Said, Trouble, words
from countersign.certification.session import Session
from countersign.certification.visit import Visit


async def check_in_clear(visit: Visit) -> None:
    """Make the tests outside TLS; the visit is over if the server cannot be talked to."""
    session = await visit.caller.call()
    if isinstance(session, Trouble):
        # Our own lack of IPv6 is nothing that the server could do anything about: others may
        # have a route. That somebody had one is looked at in `report`.
        judgement = (
            information(
                "There is no route to this address from here: a tester that has one must reach it."
            )
            if session is Trouble.NO_ROUTE
            else untested(f"The server {words(session)}.")
        )
        visit.sheet.add(catalogue.CONNECTION, judgement)
        visit.is_over = True
        return
    try:
        visit.is_over = not await _can_talk(session, visit)
        if not visit.is_over:
            await _check(session, visit)
            await session.finish()
    finally:
        session.drop()


async def _can_talk(session: Session, visit: Visit) -> bool:
    greeting = judge_greeting(await session.greeting())
    visit.sheet.add(catalogue.CONNECTION, greeting)
    if greeting.verdict is not Verdict.PASSED:
        return False
    hello = judge_hello(await session.hello())
    visit.sheet.add(catalogue.HELLO, hello)
    return hello.verdict is Verdict.PASSED


async def _check(session: Session, visit: Visit) -> None:
    sheet, extensions = visit.sheet, dict(session.extensions)
    sheet.add(catalogue.CLIENT_OVERRIDE, judge_client_override(extensions))
    asked = await session.ask(f"XVERIFY {wrong_id(visit)}")
    sheet.add(catalogue.VERIFICATION_IN_CLEAR, judge_verification_in_clear(extensions, asked))
    attempts = await _try_auth(session) if sheet.wants(catalogue.AUTH_IN_CLEAR) else {}
    sheet.add(catalogue.AUTH_IN_CLEAR, judge_auth_in_clear(extensions, attempts))


async def _try_auth(session: Session) -> dict[str, Said]:
    """Ask to give a password by each mechanism, and give none; then give one made up."""
    password = base64.b64encode(f"\0relaytest\0{secrets.token_hex(8)}".encode()).decode()
    attempts: dict[str, Said] = {}
    for name, command in (
        ("PLAIN", "AUTH PLAIN"),
        ("LOGIN", "AUTH LOGIN"),
        (GIVEN_AT_ONCE, f"AUTH PLAIN {password}"),
    ):
        if not session.is_usable:
            attempts[name] = Trouble.CLOSED
            break
        said = await session.ask(command)
        attempts[name] = said
        if not isinstance(said, Trouble) and said.is_intermediate:
            await session.ask("*")
    return attempts
