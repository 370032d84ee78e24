"""SMTP smuggling: one message with every pseudo end of a message in it, to postmaster."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from countersign.certification import catalogue
from countersign.certification.checks.calling import calling
from countersign.certification.judge import Judgement, information, passed, untested
from countersign.certification.message import Letter
from countersign.certification.outcome import Verdict
from countersign.certification.said import Said, Trouble, is_accepted
from countersign.certification.session import Session
from countersign.certification.smuggled import (
    PSEUDO_ENDS,
    TRUE_END,
    Inner,
    PseudoEnd,
    Smuggled,
    content_with,
    is_last,
    judge_smuggling,
    judge_together,
)
from countersign.certification.visit import Visit
from countersign.protocol.reply import Reply

_MAX_REPLIES = 200
"""That are read after a message: more than there are lines in it is not worth the time."""


async def check_smuggling(visit: Visit) -> None:
    """Send the message; where it is split, one more for each form, to see which does it.

    A smuggled message goes to the test mailbox: if it arrives, though this server read the whole
    as one, another one behind it was deceived.
    """
    if (missing := _missing(visit)) is not None:
        visit.sheet.add(catalogue.SMUGGLING, missing)
        return
    seen, numbers = await _send(visit, PSEUDO_ENDS)
    judgement = judge_smuggling(seen)
    if judgement.verdict is Verdict.FAILED:
        names, more = await _find_out_which(visit)
        judgement, numbers = judge_together(names), numbers + more
    visit.sheet.add(catalogue.SMUGGLING, judgement, numbers)


async def check_smuggling_in_chunks(visit: Visit) -> None:
    """Send the message by BDAT, whose length is given: another host may split it later.

    Whoever passes it on by DATA has to double dots, and to mend bare line endings (RFC 3030).
    """
    if (missing := _missing(visit)) is not None:
        visit.sheet.add(catalogue.SMUGGLING_IN_CHUNKS, missing)
        return
    numbers: tuple[str, ...] = ()
    async with calling(visit, in_tls=visit.has_tls) as session:
        if isinstance(session, Session) and "CHUNKING" not in session.extensions:
            judgement = passed("CHUNKING is not offered.")
        else:
            ends = (*PSEUDO_ENDS, TRUE_END)
            seen, numbers = await _exchange(session, visit, ends, in_chunks=True)
            judgement = judge_smuggling(seen)
    visit.sheet.add(catalogue.SMUGGLING_IN_CHUNKS, judgement, numbers)


def _missing(visit: Visit) -> Judgement | None:
    """Say why no message can be sent."""
    if not visit.messages.mark:
        return information("No message is sent: there is no test mailbox.")
    if not visit.names.mail_domain:
        return untested("No domain is known that this host is the mail exchanger of.")
    return None


async def _find_out_which(visit: Visit) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the forms that split a message alone, and the numbers sent."""
    names: list[str] = []
    numbers: tuple[str, ...] = ()
    for end in PSEUDO_ENDS:
        seen, sent = await _send(visit, (end,))
        numbers += sent
        if judge_smuggling(seen).verdict is Verdict.FAILED:
            names.append(end.name)
    return names, numbers


async def _send(visit: Visit, ends: Sequence[PseudoEnd]) -> tuple[Smuggled, tuple[str, ...]]:
    async with calling(visit, in_tls=visit.has_tls) as session:
        return await _exchange(session, visit, ends, in_chunks=False)


async def _exchange(
    session: Session | Said, visit: Visit, ends: Sequence[PseudoEnd], *, in_chunks: bool
) -> tuple[Smuggled, tuple[str, ...]]:
    """Send a message; return what came back, and the numbers of messages that may be on the way."""
    if not isinstance(session, Session):
        return Smuggled((), refused=session), ()
    # The empty sender: nothing is ever sent back for the message itself.
    for command in ("MAIL FROM:<>", f"RCPT TO:<postmaster@{visit.names.mail_domain}>"):
        if not is_accepted(said := await _ask(session, command)):
            return Smuggled((), refused=said), ()
    inner = [_inner(visit, end) for end in ends]
    content = content_with(_outer(visit), inner, datetime.now(UTC))
    if in_chunks:
        octets = f"BDAT {len(content)} LAST\r\n".encode() + content
    else:
        said = await _ask(session, "DATA")
        if isinstance(said, Trouble) or not said.is_intermediate:
            return Smuggled((), refused=said), ()
        octets = content + b".\r\n"
    seen = await _count_replies(session, octets)
    return seen, tuple(one.number for one in inner) if seen.was_taken else ()


async def _count_replies(session: Session, octets: bytes) -> Smuggled:
    """Send a message, and QUIT after the first reply; read until that to QUIT."""
    replies: list[Reply] = []
    said = await session.send(octets, replies=_MAX_REPLIES)
    while isinstance(said, Reply):
        replies.append(said)
        if is_last(said) or len(replies) >= _MAX_REPLIES:
            return Smuggled(tuple(replies))
        # A server that has left already has said all the same what it has said.
        said = await (session.quit() if len(replies) == 1 else session.next_reply())
    return Smuggled(tuple(replies), said)


async def _ask(session: Session, command: str) -> Said:
    return await session.ask(command) if session.is_usable else Trouble.CLOSED


def _inner(visit: Visit, end: PseudoEnd) -> Inner:
    number = visit.messages.new_number()
    parts, domain = visit.messages.local_parts(number), visit.names.foreign_domain
    return Inner(end, number, f"{parts.sender}@{domain}", f"{parts.recipient}@{domain}")


def _outer(visit: Visit) -> Letter:
    """Return the message itself, whose number is in no outcome: its arrival proves nothing."""
    battery, test = visit.assignment.battery, catalogue.SMUGGLING
    number = visit.messages.new_number()
    return Letter(
        sender=f"{visit.messages.local_parts(number).sender}@{visit.names.foreign_domain}",
        number=number,
        hello=battery.hello,
        about=battery.about,
        host=visit.names.host,
        test=f"{test.name}: {test.title}",
    )
