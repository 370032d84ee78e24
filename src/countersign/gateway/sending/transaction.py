"""One message to one receiver: MAIL, RCPT, DATA and what is answered (RFC 5321 §3.3)."""

from __future__ import annotations

from countersign.gateway.sending.connection import Connection
from countersign.gateway.sending.message import Batch, Message, Statuses
from countersign.protocol.command import Envelope
from countersign.protocol.reply import Reply, reply
from countersign.transport.conversation import Conversation, ConversationError

NEEDS_EIGHT_BIT = reply(554, "5.6.3", "The message has 8-bit data, the receiver takes none")
NEEDS_UTF8 = reply(553, "5.6.7", "The addresses or header need SMTPUTF8, the receiver has none")
UNEXPECTED = reply(451, "4.5.0", "The receiver answered out of turn")

_EXTENSION_OF = {
    "SIZE": "SIZE",
    "BODY": "8BITMIME",
    "SMTPUTF8": "SMTPUTF8",
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
}


class UnusedConnectionError(ConversationError):
    """The connection was dead before the receiver saw anything: another may be tried."""


async def send(connection: Connection, message: Message, batch: Batch) -> Statuses:
    """Send a message to the recipients of a batch; returns the receiver's word on each.

    Raises :class:`ConversationError` if the dialogue broke off before its end, of which
    :class:`UnusedConnectionError` is a kind.
    """
    conversation = connection.conversation
    obstacle = _obstacle(conversation, message, batch)
    if obstacle is not None:
        return dict.fromkeys(batch.recipients, obstacle)
    if "PIPELINING" in conversation.extensions:
        at_mail, at_rcpt, at_data = await _envelope_at_one_stroke(conversation, message, batch)
    else:
        at_mail, at_rcpt, at_data = await _envelope_in_turn(conversation, message, batch)
    if not at_mail.is_positive:
        at_rcpt = [at_mail] * len(batch.recipients)
    statuses = dict(zip(batch.recipients, at_rcpt, strict=True))
    accepted = [place for place, answer in statuses.items() if answer.is_positive]
    if at_data is not None and at_data.is_intermediate:
        verdict = await _send_content(conversation, message if accepted else None)
    else:
        verdict = at_data or at_mail
        if connection.is_usable:
            await conversation.command(conversation.dialogue.reset())
    return statuses | dict.fromkeys(accepted, _final(verdict))


_EnvelopeAnswers = tuple[Reply, list[Reply], Reply | None]
"""To MAIL, to each RCPT, and to DATA if it was sent."""


async def _envelope_at_one_stroke(
    conversation: Conversation, message: Message, batch: Batch
) -> _EnvelopeAnswers:
    """Send MAIL, RCPT and DATA as a group (RFC 2920)."""
    octets = _mail(conversation, message)
    octets += b"".join(_rcpt(conversation, one) for one in batch.recipients.values())
    octets += conversation.dialogue.data()
    at_mail = await _first_command(conversation, octets)
    at_rcpt = [await conversation.reply() for _ in batch.recipients]
    return at_mail, at_rcpt, await conversation.reply()


async def _envelope_in_turn(
    conversation: Conversation, message: Message, batch: Batch
) -> _EnvelopeAnswers:
    at_mail = await _first_command(conversation, _mail(conversation, message))
    if not at_mail.is_positive:
        return at_mail, [], None
    at_rcpt = [
        await conversation.command(_rcpt(conversation, one)) for one in batch.recipients.values()
    ]
    if not any(answer.is_positive for answer in at_rcpt):
        return at_mail, at_rcpt, None
    return at_mail, at_rcpt, await conversation.command(conversation.dialogue.data())


async def _first_command(conversation: Conversation, octets: bytes) -> Reply:
    try:
        return await conversation.command(octets)
    except ConversationError as error:
        raise UnusedConnectionError(str(error)) from error


def _mail(conversation: Conversation, message: Message) -> bytes:
    return conversation.dialogue.mail(message.sender.raw_path, _for_mail(conversation, message))


def _rcpt(conversation: Conversation, envelope: Envelope) -> bytes:
    return conversation.dialogue.rcpt(envelope.raw_path, _parameters(conversation, envelope))


async def _send_content(conversation: Conversation, message: Message | None) -> Reply:
    if message is not None:
        for piece in message.pieces():
            await conversation.send_content(piece)
    conversation.send(conversation.dialogue.end_of_content())
    return await conversation.reply(patience=2)


def _obstacle(conversation: Conversation, message: Message, batch: Batch) -> Reply | None:
    extensions = conversation.extensions
    if "SMTPUTF8" in message.sender.parameters and "SMTPUTF8" not in extensions:
        envelopes = [message.sender, *batch.recipients.values()]
        if message.has_eight_bit or not all(one.raw_path.isascii() for one in envelopes):
            return NEEDS_UTF8
    is_eight_bit = (message.sender.parameters.get("BODY") or "").upper() == "8BITMIME"
    if is_eight_bit and message.has_eight_bit and "8BITMIME" not in extensions:
        return NEEDS_EIGHT_BIT
    return None


def _for_mail(conversation: Conversation, message: Message) -> str:
    size = f" SIZE={message.size}" if "SIZE" in conversation.extensions else ""
    return size + _parameters(conversation, message.sender, but="SIZE")


def _parameters(conversation: Conversation, envelope: Envelope, but: str = "") -> str:
    return "".join(
        f" {name}" if value is None else f" {name}={value}"
        for name, value in envelope.parameters.items()
        if name != but and _EXTENSION_OF.get(name) in conversation.extensions
    )


def _final(verdict: Reply) -> Reply:
    """Return a reply that ends a transaction: an intermediate one makes no sense here."""
    return verdict if verdict.code >= 400 or verdict.is_positive else UNEXPECTED
