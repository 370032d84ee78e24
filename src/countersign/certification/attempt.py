"""One envelope that ought to be refused, and its message if it is not."""

from __future__ import annotations

from countersign.certification.catalogue import Test
from countersign.certification.delivery import Delivered, Messages
from countersign.certification.form import Envelope
from countersign.certification.judge_relay import Relayed
from countersign.certification.said import Said, is_accepted, is_put_off
from countersign.certification.session import Session


async def attempt(
    session: Session, envelope: Envelope, test: Test, messages: Messages, number: str
) -> Relayed:
    """Offer an envelope; send the message ``number`` if it is accepted and one may be sent."""
    mail = await session.ask(envelope.mail)
    if not is_accepted(mail):
        return Relayed(mail)
    recipient = await session.ask(envelope.recipient)
    control: Said | None = None
    delivered: Delivered | None = None
    if is_accepted(recipient):
        control = await session.ask(envelope.control) if envelope.control else None
        if messages.left and await _is_still_open(session, envelope, control):
            delivered = await messages.send(session, test, number)
    elif is_put_off(recipient) and envelope.control and session.is_usable:
        # Greylisting is to know both recipients when the envelope comes again.
        control = await session.ask(envelope.control)
    if session.is_usable:
        await session.ask("RSET")
    return Relayed(mail, recipient, control, delivered)


async def _is_still_open(session: Session, envelope: Envelope, control: Said | None) -> bool:
    """Tell whether a transaction to the envelope's recipient, and to no other, is open."""
    # The unknown recipient for comparison is to get no message.
    for command in ("RSET", envelope.mail, envelope.recipient) if is_accepted(control) else ():
        if not session.is_usable or not is_accepted(await session.ask(command)):
            return False
    return session.is_usable
