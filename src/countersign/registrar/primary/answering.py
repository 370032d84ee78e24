"""What is answered to a question: by one message, or by a transfer (RFC 5936, RFC 1995).

Who has no key gets errors only, never longer than the question: nothing is to be had by asking
under somebody else's address (RFC 5358).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from dns.rcode import Rcode

from countersign.registrar.operations.office import Office
from countersign.registrar.primary.known import Known, Peer
from countersign.registrar.primary.limits import RateLimit, client_of
from countersign.registrar.primary.metrics import PrimaryMetrics
from countersign.registrar.primary.served import Zone
from countersign.registrar.primary.states import SIGNATURE, States
from countersign.registry.transfer import wire
from countersign.registry.transfer.answers import Question, fits_udp, refuse, soa_answer
from countersign.registry.transfer.questions import BadQuestionError, read_question
from countersign.registry.transfer.signature import find_signature, read_signature

log = structlog.get_logger()

_LOGGED_EACH = 60.0
"""Seconds in which one client's bad questions are logged once."""
_ZONE_KINDS = (wire.SOA, wire.AXFR, wire.IXFR)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A question that is answered by a transfer over TCP."""

    question: Question
    peer: Peer
    address: str


@dataclass(frozen=True, slots=True)
class Bad:
    """A question that is no good, and what is said to it; None: nothing."""

    message: bytes | None


class Answering:
    """Answers questions, and notes who has asked what."""

    def __init__(
        self,
        office: Office,
        zone: Zone,
        states: States,
        metrics: PrimaryMetrics,
        known: Callable[[], Known],
    ) -> None:
        self._office = office
        self._zone = zone
        self._states = states
        self._metrics = metrics
        self._known = known
        self._logged = RateLimit(1 / _LOGGED_EACH)

    def over_udp(self, message: bytes, address: str) -> bytes | None:
        """Return the answer to a datagram; None: there is none."""
        found = self.over_tcp(message, address)
        if isinstance(found, Bad):
            answer = found.message
            if answer is None or len(answer) <= len(message) or _tells_time(answer):
                return answer
            # Somebody else may be made to get this.
            return None
        if isinstance(found, bytes):
            return found
        now = time.time()
        if found.question.kind == wire.AXFR or self._zone.current is None:
            return refuse(found.question, Rcode.FORMERR, now)
        # RFC 1995 §2: the SOA record alone, so that the asker comes by TCP if it lacks anything.
        answer = soa_answer(found.question, self._zone.current.soa, now)
        return fits_udp(found.question, answer, now)

    def over_tcp(self, message: bytes, address: str) -> bytes | Transfer | Bad:
        """Return the answer to a message, or what is to be transferred."""
        now = time.time()
        try:
            question = read_question(message, self._known().key, now)
        except BadQuestionError as error:
            self._note_bad(message, address, str(error))
            return Bad(error.answer)
        peer = None if question.key is None else self._known().owner(question.key)
        if peer is None or question.key is None:
            return Bad(refuse(question, Rcode.REFUSED, now))
        self._states.heard(
            peer.id,
            self._office.clock(),
            address,
            serial=self._serial_of(question),
            key=question.key.name,
        )
        rcode = self._objection(question)
        if rcode is not Rcode.NOERROR:
            self._metrics.question("refused")
            log.info("question refused", secondary=peer.name, rcode=rcode.name, address=address)
            return refuse(question, rcode, now)
        self._metrics.question("answered")
        if question.kind == wire.SOA and self._zone.current is not None:
            return soa_answer(question, self._zone.current.soa, now)
        return Transfer(question, peer, address)

    def _objection(self, question: Question) -> Rcode:
        if question.opcode != wire.QUERY:
            # We are the primary: nobody has anything to tell us.
            return Rcode.REFUSED
        if question.name != self._zone.name:
            return Rcode.NOTAUTH
        if question.kind not in _ZONE_KINDS:
            return Rcode.REFUSED
        return Rcode.NOERROR if self._zone.current is not None else Rcode.SERVFAIL

    def _serial_of(self, question: Question) -> int | None:
        is_ours = question.opcode == wire.QUERY and question.name == self._zone.name
        return question.serial if is_ours and question.kind == wire.IXFR else None

    def _note_bad(self, message: bytes, address: str, reason: str) -> None:
        self._metrics.question("unproven")
        issued = self._known().keys.get(_key_name(message))
        if issued is not None:
            # Its secret or its clock is wrong, most likely: whoever looks for why is helped.
            self._states.failed(
                issued.secondary_id, self._office.clock(), f"{SIGNATURE}{reason}, from {address}"
            )
        if self._logged.take(client_of(address), time.monotonic()) == 0:
            secondary = {} if issued is None else {"secondary": issued.name}
            log.info("bad question", address=address, reason=reason, **secondary)


def _key_name(message: bytes) -> str:
    """Return the name of the key that a message says it is signed with; empty: none."""
    try:
        found = find_signature(message)
    except wire.MessageError:
        return ""
    return "" if found is None else wire.name_text(found.name)


def _tells_time(answer: bytes) -> bool:
    """Tell whether an answer tells somebody who has a key that his clock is wrong."""
    found = find_signature(answer)
    if found is None:
        return False
    return read_signature(answer, found.data, found.end).error == Rcode.BADTIME
