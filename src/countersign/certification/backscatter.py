"""Mail to an unknown recipient: it is refused, or taken and sent back to whoever is named."""

from __future__ import annotations

from functools import partial

from countersign.certification import catalogue
from countersign.certification.attempt import attempt
from countersign.certification.form import Envelope, random_part
from countersign.certification.judge import Judgement, information, untested
from countersign.certification.judge_relay import Relayed, judge_refusal
from countersign.certification.put_off import keep
from countersign.certification.said import is_put_off, words
from countersign.certification.session import Session
from countersign.certification.turns import Turns
from countersign.certification.visit import Visit


async def check_backscatter(visit: Visit, turns: Turns) -> None:
    """Offer mail for an unknown local part of the mail domain."""
    test, names, messages = catalogue.BACKSCATTER, visit.names, visit.messages
    if not names.mail_domain:
        reason = "No domain is known that this host is the mail exchanger of."
        visit.sheet.add(test, information(reason))
        return
    number = messages.new_number()
    sender = messages.local_parts(number).sender
    envelope = Envelope(
        mail=f"MAIL FROM:<{sender}@{names.foreign_domain}>",
        recipient=f"RCPT TO:<{random_part()}@{names.mail_domain}>",
    )
    await _offer(visit, turns, envelope, number)


async def _offer(
    visit: Visit,
    turns: Turns,
    envelope: Envelope,
    number: str,
    source: str = "",
    *,
    is_again: bool = False,
) -> None:
    """Offer it; again, from the source of the first time, if the server puts it off."""
    test = catalogue.BACKSCATTER
    session = await turns.take(in_tls=visit.has_tls, source=source)
    if not isinstance(session, Session):
        visit.sheet.add(test, untested(f"The server {words(session)}."))
        return
    seen = await attempt(session, envelope, test, visit.messages, number)
    turns.ended(seen.last)
    if is_put_off(seen.last) and not is_again:
        again = partial(_offer, visit, turns, envelope, number, session.source, is_again=True)
        keep(visit, test, again)
        return
    visit.sheet.add(test, judge_backscatter(seen), seen.numbers)


def judge_backscatter(seen: Relayed) -> Judgement:
    """Judge what became of mail to an unknown recipient, as it stands if no bounce arrives."""
    if (stopped := judge_refusal(seen)) is not None:
        return stopped
    if seen.delivered is None:
        return information(
            "Mail to an unknown recipient is accepted. Whether a bounce is sent to whoever is "
            "named as its sender was not tried: no message was sent."
        )
    return information(
        "Mail to an unknown recipient is accepted; no bounce of it arrived at the registrar's test "
        "mailbox."
    )
