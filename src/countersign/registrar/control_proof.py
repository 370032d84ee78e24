"""Looks for the proof that an applicant controls a host: in its DNS, then in its EHLO.

docs/PROTOCOL.md §5.4. The host is resolved once, and only addresses that may be tested are
connected to (DESIGN §8).
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from enum import StrEnum

from countersign.certification.outcome import Verdict, printable
from countersign.certification.session import trouble_of
from countersign.certification.standpoint import Standpoint
from countersign.certification.target import find_target
from countersign.protocol.control import KEYWORD, control_name, control_text, hello_line
from countersign.registrar.config import Certification
from countersign.registry.dns_client import ResolutionFailedError
from countersign.transport.conversation import Conversation, ConversationError

_ADDRESSES = 4
"""Of one host that are asked at most."""
_SECONDS = 60.0
"""For all of them."""
_SHOWN = 100
"""Characters of what somebody else wrote."""


class Method(StrEnum):
    """How control of a host is proven; see `Server.control_method`."""

    DNS = "dns"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Proof:
    """What proves control."""

    method: Method
    evidence: str
    """What was seen, and where."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen when the proof was looked for."""

    hostname: str
    proof: Proof | None
    words: str
    """What was seen, to a person; less than 1,000 characters."""
    is_certain: bool
    """False: something gave no answer, so that the proof may be there all the same."""


@dataclass(frozen=True, slots=True)
class _Found:
    words: str
    proof: Proof | None = None
    is_certain: bool = True


def look_for_proof(hostname: str, token: str, settings: Certification) -> Sight:
    """Look in the DNS and at the host itself; takes a minute and a half at most.

    Not for a thread with an event loop.
    """
    return asyncio.run(_look(hostname, token, settings))


async def _look(hostname: str, token: str, settings: Certification) -> Sight:
    standpoint = Standpoint(settings.standing())
    found = [await _ask_dns(hostname, token, standpoint)]
    if found[0].proof is None:
        found.append(await _ask_host(hostname, token, settings, standpoint))
    return Sight(
        hostname,
        next((one.proof for one in found if one.proof is not None), None),
        " ".join(one.words for one in found)[:999],
        all(one.is_certain for one in found),
    )


async def _ask_dns(hostname: str, token: str, standpoint: Standpoint) -> _Found:
    name, wanted = control_name(hostname), control_text(token)
    try:
        records = await standpoint.resolver.client.ask(name, "TXT", fresh=True)
    except ResolutionFailedError:
        return _Found(f"The DNS does not answer for {name}.", is_certain=False)
    texts = [b"".join(record.strings).decode("utf-8", "replace") for record in records.data]
    if any(text.strip().lower() == wanted for text in texts):
        return _Found(
            f"The DNS has the TXT record of {name}.",
            Proof(Method.DNS, f'{name} TXT "{wanted}"'),
        )
    if texts:
        return _Found(f"{name} has another TXT record: “{_shown(texts[0])}”.")
    return _Found(f"{name} has no TXT record.", is_certain=records.is_certain)


async def _ask_host(
    hostname: str, token: str, settings: Certification, standpoint: Standpoint
) -> _Found:
    target = await find_target(hostname, settings, standpoint)
    if not target.addresses:
        is_certain = target.judgement.verdict is Verdict.FAILED
        return _Found(target.judgement.explanation, is_certain=is_certain)
    last = _Found("")
    try:
        async with asyncio.timeout(_SECONDS):
            for address in target.addresses[:_ADDRESSES]:
                found = await _ask_address(hostname, address, token, settings, standpoint)
                if found.proof is not None:
                    return found
                # What gave no answer counts for more than what says no.
                last = last if last.words and not last.is_certain else found
    except TimeoutError:
        return _Found(f"{hostname} takes too long to answer.", is_certain=False)
    return last


async def _ask_address(
    hostname: str, address: str, token: str, settings: Certification, standpoint: Standpoint
) -> _Found:
    try:
        conversation = await standpoint.connect(address, settings.port, timeout=settings.timeout)
    except ConversationError as error:
        return _Found(f"{address} {trouble_of(error)}.", is_certain=False)
    try:
        return await _ask(hostname, address, token, settings, conversation)
    except ConversationError as error:
        return _Found(f"{address} {trouble_of(error)}.", is_certain=False)
    finally:
        await conversation.finish()


async def _ask(
    hostname: str, address: str, token: str, settings: Certification, conversation: Conversation
) -> _Found:
    greeting = await conversation.greeting()
    if not greeting.is_positive:
        return _Found(f"{address} answered “{_shown(str(greeting))}”.", is_certain=False)
    await conversation.hello(settings.hello)
    if "STARTTLS" not in conversation.extensions:
        return _Found(f"{address} does not offer STARTTLS.")
    answer = await conversation.start_tls(_tls_context(), hostname)
    if not answer.is_positive:
        return _Found(f"{address} answered “{_shown(str(answer))}”.", is_certain=False)
    await conversation.hello(settings.hello)
    announced = conversation.extensions.get(KEYWORD)
    if announced is None:
        return _Found(f"{address} does not announce {KEYWORD} inside TLS.")
    if announced.strip().lower() != token:
        return _Found(f"{address} announces another {KEYWORD}: “{_shown(announced)}”.")
    proof = Proof(Method.GATEWAY, f"{address} announces “{hello_line(token)}” inside TLS")
    return _Found(f"{proof.evidence}.", proof)


def _shown(text: str) -> str:
    return printable(text[:_SHOWN])


def _tls_context() -> ssl.SSLContext:
    """Return a context that takes any certificate: the token is what proves the host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
