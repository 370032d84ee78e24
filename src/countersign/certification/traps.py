"""The registrar's mailboxes on the host: mail to them must be taken (DESIGN §9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from countersign.certification import catalogue
from countersign.certification.judge import Judgement, failed, passed, untested
from countersign.certification.put_off import keep
from countersign.certification.said import (
    Said,
    Trouble,
    is_accepted,
    is_policy,
    is_put_off,
    is_refused,
    words,
)
from countersign.certification.session import Session
from countersign.certification.turns import Turns
from countersign.certification.visit import Visit
from countersign.protocol.reply import Reply


async def check_traps(visit: Visit, turns: Turns) -> None:
    """Offer mail to each trap, and send none."""
    await _offer(visit, turns, visit.messages.local_parts(visit.messages.new_number()).sender)


async def _offer(
    visit: Visit, turns: Turns, sender: str, source: str = "", *, is_again: bool = False
) -> None:
    """Offer it; again, from the source of the first time, if the server puts it off."""
    session = await turns.take(in_tls=visit.has_tls, source=source)
    if not isinstance(session, Session):
        visit.sheet.add(catalogue.TRAPS, untested(f"The server {words(session)}."))
        return
    mail = await session.ask(f"MAIL FROM:<{sender}@{visit.names.foreign_domain}>")
    if is_refused(mail) and session.is_usable:
        mail = await session.ask("MAIL FROM:<>")
    replies: list[Said] = []
    if is_accepted(mail):
        for trap in visit.assignment.traps:
            replies.append(await session.ask(f"RCPT TO:<{trap}>"))
            if not session.is_usable:
                break
    if session.is_usable:
        await session.ask("RSET")
    turns.ended(replies[-1] if replies else mail)
    if any(is_put_off(said) for said in (mail, *replies)) and not is_again:
        again = partial(_offer, visit, turns, sender, session.source, is_again=True)
        keep(visit, catalogue.TRAPS, again)
        return
    judgement, is_essential = judge_traps(mail, replies, len(visit.assignment.traps))
    visit.sheet.add(replace(catalogue.TRAPS, is_essential=is_essential), judgement)


def judge_traps(mail: Said, replies: Sequence[Said], planned: int) -> tuple[Judgement, bool]:
    """Judge the replies to MAIL and to each trap; no trap is named.

    Also returned is whether the server was left untested by it: a refusal of the tester by
    policy says nothing of the traps, and is a server's right.
    """
    if not is_accepted(mail):
        return untested(f"No mail is taken from the tester: to MAIL the server {_code(mail)}."), (
            not is_policy(mail)
        )
    others = [said for said in replies if not is_accepted(said)]
    refused = [said for said in others if is_refused(said) and not is_policy(said)]
    if refused:
        return failed(
            f"{len(refused)} of {planned} mailboxes of the registrar were refused: the server "
            f"{_code(refused[0])}."
        ), True
    if not others and len(replies) == planned:
        return passed("Mail to the mailboxes of the registrar is taken."), True
    last = others[0] if others else Trouble.CLOSED
    judgement = untested(
        f"{planned - len(replies) + len(others)} of {planned} mailboxes of the registrar could not "
        f"be tested: the server {_code(last)}."
    )
    return judgement, not all(is_policy(said) for said in others) or len(replies) < planned


def _code(said: Said) -> str:
    """Complete 'the server …' without the words of a reply, which may name the trap."""
    if isinstance(said, Reply):
        return f"answered {said.code} {said.enhanced}".rstrip()
    return words(said)
