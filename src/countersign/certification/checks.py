"""The tests of one address but for the relay forms: what is said, and in which order."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from countersign.certification import catalogue
from countersign.certification.forms import Names
from countersign.certification.judge import (
    Injected,
    Judgement,
    information,
    judge_auth_in_clear,
    judge_client_override,
    judge_greeting,
    judge_hello,
    judge_injection,
    judge_mailbox,
    judge_start_tls,
    judge_verification,
    judge_verification_in_clear,
    says_false,
    untested,
)
from countersign.certification.outcome import Verdict
from countersign.certification.said import (
    Said,
    Trouble,
    is_accepted,
    is_lost,
    words,
)
from countersign.certification.session import Caller, Session
from countersign.certification.sheet import Sheet
from countersign.protocol.session_id import ALPHABET

_MECHANISMS = ("PLAIN", "LOGIN")


async def check_in_clear(caller: Caller, sheet: Sheet) -> bool:
    """Make the tests outside TLS; return whether the server can be talked to."""
    session = await caller.call()
    if session is Trouble.NO_ROUTE:
        # Our own lack of IPv6 is nothing that the server could do anything about.
        sheet.add(catalogue.CONNECTION, information("There is no route to this address from here."))
        return False
    if isinstance(session, Trouble):
        sheet.add(catalogue.CONNECTION, untested(f"The server {words(session)}."))
        return False
    try:
        return await _check_in_clear(session, caller, sheet)
    finally:
        session.drop()


async def _check_in_clear(session: Session, caller: Caller, sheet: Sheet) -> bool:
    greeting = judge_greeting(await session.greeting())
    sheet.add(catalogue.CONNECTION, greeting)
    if greeting.verdict is not Verdict.PASSED:
        return False
    hello = judge_hello(await session.hello())
    sheet.add(catalogue.HELLO, hello)
    if hello.verdict is not Verdict.PASSED:
        return False
    extensions = dict(session.extensions)
    sheet.add(catalogue.CLIENT_OVERRIDE, judge_client_override(extensions))
    asked = await session.ask(f"XVERIFY {_wrong_id(caller)}")
    sheet.add(catalogue.VERIFICATION_IN_CLEAR, judge_verification_in_clear(extensions, asked))
    attempts = await _try_auth(session)
    await session.finish()
    sheet.add(catalogue.AUTH_IN_CLEAR, judge_auth_in_clear(extensions, attempts))
    return True


async def _try_auth(session: Session) -> dict[str, Said]:
    """Ask to give a password by each mechanism, and give none."""
    attempts: dict[str, Said] = {}
    for mechanism in _MECHANISMS:
        if not session.is_usable:
            attempts[mechanism] = Trouble.CLOSED
            break
        said = await session.ask(f"AUTH {mechanism}")
        attempts[mechanism] = said
        if not isinstance(said, Trouble) and said.is_intermediate:
            await session.ask("*")
    return attempts


@dataclass(frozen=True, slots=True)
class Inside:
    """What the tests inside TLS came to."""

    has_tls: bool
    answered_false: bool = False
    """A question about a wrong ID was answered: more questions are suspended now."""


async def check_in_tls(
    caller: Caller, sheet: Sheet, names: Names, *, answered_elsewhere: bool
) -> Inside:
    """Make the tests inside TLS; ``answered_elsewhere``: see :func:`judge_verification`."""
    session = await caller.call_and_greet(in_tls=False)
    if not isinstance(session, Session):
        sheet.add(catalogue.START_TLS, untested(f"The server {words(session)}."))
        return Inside(has_tls=False)
    try:
        if "STARTTLS" not in session.extensions:
            await session.finish()
            sheet.add(catalogue.START_TLS, judge_start_tls(None, None))
            return Inside(has_tls=False)
        said = await session.start_tls(caller.host)
        tls = session.tls()
        sheet.add(catalogue.START_TLS, judge_start_tls(said, tls))
        if tls is None:
            return Inside(has_tls=False)
        answer = await _check_inside(session, caller, sheet, names, answered_elsewhere)
        return Inside(has_tls=True, answered_false=says_false(answer))
    finally:
        session.drop()


async def _check_inside(
    session: Session, caller: Caller, sheet: Sheet, names: Names, answered_elsewhere: bool
) -> Said | None:
    """Make the tests; return the answer to the question about a wrong ID."""
    hello = await session.hello()
    for test, local_part in ((catalogue.POSTMASTER, "postmaster"), (catalogue.ABUSE, "abuse")):
        sheet.add(test, await _check_mailbox(session, names, local_part))
    if not is_accepted(hello) or not session.is_usable:
        sheet.add(catalogue.VERIFICATION, untested("The dialogue inside TLS ended too early."))
        return None
    question: Said | None = None
    if "XVERIFY" in session.extensions:
        command = f"XVERIFY {_wrong_id(caller)}"
        question = await session.ask(command)
        if not isinstance(question, Trouble) and question.is_intermediate:
            # Our certificate was asked for: we have none, and ask once more (PROTOCOL 3.1).
            question = await session.ask(command)
    judgement = judge_verification(
        session.extensions, question, answered_elsewhere=answered_elsewhere
    )
    sheet.add(catalogue.VERIFICATION, judgement)
    return question


async def _check_mailbox(session: Session, names: Names, local_part: str) -> Judgement:
    if not names.mail_domain:
        return information("No domain is known that this host is the mail exchanger of.")
    if not session.is_usable:
        return untested("The dialogue inside TLS ended too early.")
    mailbox = f"{local_part}@{names.mail_domain}"
    mail = await session.ask("MAIL FROM:<>")
    recipient = await session.ask(f"RCPT TO:<{mailbox}>") if is_accepted(mail) else None
    judgement = judge_mailbox(mailbox, mail, recipient)
    if not is_lost(recipient or mail) and session.is_usable:
        await session.ask("RSET")
    return judgement


async def check_injection(caller: Caller, sheet: Sheet) -> None:
    """Send a command in clear behind STARTTLS, and see whether it is obeyed inside TLS."""
    session = await caller.call_and_greet(in_tls=False)
    if not isinstance(session, Session):
        sheet.add(catalogue.INJECTION, untested(f"The server {words(session)}."))
        return
    try:
        seen = await _inject(session, caller.host)
    finally:
        session.drop()
    sheet.add(catalogue.INJECTION, judge_injection(seen))


async def _inject(session: Session, host: str) -> Injected:
    said = await session.start_tls(host, injected=b"NOOP\r\n")
    if session.tls() is None:
        return Injected(said)
    session.expect_reply()
    first = await session.hello()
    if is_lost(first):
        return Injected(said, first)
    return Injected(said, first, await session.ask("QUIT"))


def _wrong_id(caller: Caller) -> str:
    """Return an ID that no server has given: to guess a true one is out of the question."""
    length = caller.settings.session_id_length
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
