"""The callback: asks the claimed host whether it has a session open (DESIGN §3.3)."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from countersign.protocol.reply import Reply
from countersign.registry.lookup import KeyPin
from countersign.transport.conversation import Conversation, ConversationError, connect


class Answer(StrEnum):
    """What one callback found out."""

    TRUE = "true"
    FALSE = "false"
    SUSPENDED = "suspended"
    PIN_MISMATCH = "pin-mismatch"
    UNREACHABLE = "unreachable"
    """No answer at all: never to be read as FALSE."""


@dataclass(frozen=True, slots=True)
class Callback:
    """A question to be put to a claimed host."""

    claimed_host: str
    session_id: str
    own_name: str
    """The receiver's hostname, for EHLO."""
    local_address: str
    """The address that the sender connected to; the callback leaves from it."""
    port: int
    timeout: float
    """Seconds for each step."""
    pins: tuple[KeyPin, ...]


async def ask(callback: Callback, address: str, tls: ssl.SSLContext) -> Answer:
    """Put the question to one address of the claimed host; never raises for network trouble."""
    local = callback.local_address
    same_family = (":" in local) == (":" in address)
    try:
        conversation = await connect(
            address,
            callback.port,
            local_address=local if same_family else None,
            timeout=callback.timeout,
            reply_timeout=callback.timeout,
        )
    except ConversationError:
        return Answer.UNREACHABLE
    try:
        return await _converse(conversation, callback, tls)
    except ConversationError:
        return Answer.UNREACHABLE
    finally:
        # "The connection is then dropped" (proposal, Mail Exchanging 7): no QUIT is owed.
        conversation.stream.close()


async def _converse(conversation: Conversation, callback: Callback, tls: ssl.SSLContext) -> Answer:
    if not await _reach_tls(conversation, callback, tls):
        return Answer.UNREACHABLE
    if callback.pins and not _matches_a_pin(conversation.stream.tls(), callback.pins):
        return Answer.PIN_MISMATCH
    hello = await conversation.hello(callback.own_name)
    if not hello.is_positive or "XVERIFY" not in conversation.extensions:
        return Answer.UNREACHABLE
    question = conversation.dialogue.question
    reply = await conversation.command(question(callback.session_id))
    if reply.is_intermediate:
        # Our certificate was asked for, and has been sent inside TLS: ask once more.
        reply = await conversation.command(question(callback.session_id))
    return _read_answer(reply)


async def _reach_tls(conversation: Conversation, callback: Callback, tls: ssl.SSLContext) -> bool:
    if not (await conversation.greeting()).is_positive:
        return False
    hello = await conversation.hello(callback.own_name)
    if not hello.is_positive or "STARTTLS" not in conversation.extensions:
        return False
    return (await conversation.start_tls(tls, callback.claimed_host)).is_positive


def _read_answer(reply: Reply) -> Answer:
    word = reply.text.strip().upper()
    if reply.code == 250 and word == "TRUE":
        return Answer.TRUE
    if reply.code == 550 and word == "FALSE":
        return Answer.FALSE
    return Answer.SUSPENDED if reply.is_transient else Answer.UNREACHABLE


def _matches_a_pin(tls: ssl.SSLObject | None, pins: tuple[KeyPin, ...]) -> bool:
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if certificate is None:
        return False
    return any(_association_data(certificate, pin) == pin.data for pin in pins)


def _association_data(certificate: bytes, pin: KeyPin) -> bytes:
    """Return the certificate association data (RFC 6698 §2.1.4)."""
    selected = certificate
    if pin.selector == 1:
        key = x509.load_der_x509_certificate(certificate).public_key()
        selected = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    match pin.matching_type:
        case 0:
            return selected
        case 1:
            return hashlib.sha256(selected).digest()
        case 2:
            return hashlib.sha512(selected).digest()
        case _:
            return b""
