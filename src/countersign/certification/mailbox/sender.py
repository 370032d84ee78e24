"""How a server proves itself as a sender: the claimed host is asked as any receiver asks it.

Asked is only the host whose owner has let it send a message, at its public addresses. The
questions and answers are those of docs/PROTOCOL.md (DESIGN §3.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from countersign.certification.judge import Judgement, failed, passed, untested
from countersign.certification.outcome import BatteryResult, TestOutcome
from countersign.certification.said import Said, Trouble, words
from countersign.certification.session import Caller, Session
from countersign.certification.settings import Battery, Standing
from countersign.certification.standpoint import Standpoint
from countersign.certification.target import find_target
from countersign.certification.transcript import Transcript
from countersign.protocol.reply import Reply

SESSION_ID, TRUE, ONCE, FORGOTTEN = (
    "sender-session-id",
    "sender-true",
    "sender-once",
    "sender-forgotten",
)
TITLES = {
    SESSION_ID: "The server gives a new session ID, inside TLS and before its mail",
    TRUE: "The host says TRUE about a session that it has open",
    ONCE: "It says so once only",
    FORGOTTEN: "It does not say so when the session has ended",
}
_OPEN_SECONDS = 120.0
"""For all questions while the client waits: less than any client waits (RFC 5321 §4.5.3.2.6)."""
_NO_SESSION = "There was no session of the host that could have been asked about."
_NOT_TRUE = "Nothing can be said of it, as the first question was not answered TRUE."


@dataclass(frozen=True, slots=True)
class Claim:
    """What a client said of itself."""

    host: str
    """Its name in EHLO."""
    session_id: str
    is_repeated: bool
    """The ID was given before."""
    local_address: str
    """Ours, that it had connected to."""


class _Answer(Enum):
    TRUE = "TRUE"
    FALSE = "FALSE"
    LATER = "asked to come again"
    NOT_OFFERED = "no XVERIFY"
    STRANGE = "another reply"
    NONE = "no answer"


@dataclass(frozen=True, slots=True)
class SenderTests:
    """How senders are tested."""

    battery: Battery
    standing: Standing
    waits: Sequence[float] = (2.0, 10.0, 30.0)
    """Seconds after the end of a session, one after the other, in which the sender may notice."""

    def begin(self, host: str, claim: Claim | None, transcript: Transcript) -> SenderTest:
        """Begin the test of a host. claim: what the client claimed; None: nothing."""
        return SenderTest(self, host, claim, transcript)


class SenderTest:
    """One test. What goes wrong is an outcome, not an exception."""

    def __init__(
        self, tests: SenderTests, host: str, claim: Claim | None, transcript: Transcript
    ) -> None:
        self._tests = tests
        self._host = host
        self._claim = claim
        self._transcript = transcript
        self._begun_at = datetime.now(UTC)
        self._addresses: tuple[str, ...] = ()
        self._address = ""
        """That answered TRUE."""
        self._outcomes: dict[str, TestOutcome] = {}
        sources = (claim.local_address,) if claim is not None and claim.local_address else ()
        # From the address that the sender knows us by, as every receiver asks.
        self._standpoint = Standpoint(tests.standing.model_copy(update={"sources": sources}))

    def result(self) -> BatteryResult:
        """Return what is known so far; what is not could not be tested."""
        outcomes = [
            self._outcomes.get(name) or self._outcome(name, untested("It was not asked yet."), ())
            for name in TITLES
        ]
        return BatteryResult(
            host=self._host,
            addresses=self._addresses,
            begun_at=self._begun_at,
            ended_at=datetime.now(UTC),
            outcomes=tuple(outcomes),
        )

    async def while_open(self) -> None:
        """Ask what is to be asked while the session is open; bounded in time."""
        self._note(SESSION_ID, judge_claim(self._host, self._claim))
        if self._claim is None or self._claim.host != self._host:
            for name in (TRUE, ONCE, FORGOTTEN):
                self._note(name, untested(_NO_SESSION))
            return
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await self._ask_first()
                if self._address:
                    self._note(ONCE, _judge_again(await self._ask(self._address)))
        except TimeoutError:
            for name in (TRUE, ONCE):
                if name not in self._outcomes:
                    self._note(name, untested("The host did not answer in time."))
        if not self._address:
            for name in (ONCE, FORGOTTEN):
                self._note(name, untested(_NOT_TRUE))

    async def after_close(self) -> None:
        """Ask what is to be asked when the session has ended."""
        if not self._address:
            return
        judgement = untested("It was not asked.")
        for seconds in self._tests.waits:
            # No event tells when a foreign host has noticed that a connection is gone.
            await asyncio.sleep(seconds)
            answer, said = await self._ask(self._address)
            judgement = _judge_again((answer, said))
            if answer is not _Answer.TRUE:
                break
        self._note(FORGOTTEN, judgement)

    # -- questions --------------------------------------------------------------------------------

    async def _ask_first(self) -> None:
        target = await find_target(self._host, self._tests.battery, self._standpoint)
        self._addresses = target.addresses
        if not target.addresses:
            self._note(TRUE, untested(target.judgement.explanation))
            return
        judgement = untested(_NO_SESSION)
        for address in self._in_order(target.addresses):
            answer, said = await self._ask(address)
            judgement = _judge_first(answer, said)
            if answer is _Answer.TRUE:
                self._address = address
            if answer is not _Answer.NONE:
                break
        self._note(TRUE, judgement)

    def _in_order(self, addresses: Sequence[str]) -> list[str]:
        """Return those of our own family first: from another address it would not know us."""
        is_ipv6 = self._claim is not None and ":" in self._claim.local_address
        return sorted(addresses, key=lambda address: (":" in address) is not is_ipv6)

    async def _ask(self, address: str) -> tuple[_Answer, Said | None]:
        battery = self._tests.battery
        caller = Caller(address, self._host, battery, self._transcript, self._standpoint)
        session = await caller.call_and_greet(in_tls=True)
        if not isinstance(session, Session):
            return _Answer.NONE, session
        try:
            if "XVERIFY" not in session.extensions:
                return _Answer.NOT_OFFERED, None
            said = await session.ask(f"XVERIFY {self._session_id}")
            if isinstance(said, Reply) and said.is_intermediate:
                # It would know our certificate, which we have none of: as in `receiving/callback`.
                said = await session.ask(f"XVERIFY {self._session_id}")
        finally:
            session.drop()
        return _read(said), said

    @property
    def _session_id(self) -> str:
        return self._claim.session_id if self._claim is not None else ""

    # -- outcomes ---------------------------------------------------------------------------------

    def _note(self, name: str, judgement: Judgement) -> None:
        self._outcomes[name] = self._outcome(name, judgement, self._transcript.take())

    def _outcome(
        self, name: str, judgement: Judgement, transcript: tuple[object, ...]
    ) -> TestOutcome:
        return TestOutcome.model_validate(
            {
                "name": name,
                "title": TITLES[name],
                "verdict": judgement.verdict,
                "explanation": judgement.explanation,
                "is_essential": True,
                "address": "" if name == SESSION_ID else self._address,
                "transcript": transcript,
            }
        )


def judge_claim(host: str, claim: Claim | None) -> Judgement:
    """Judge what a client said of itself before its message."""
    if claim is None:
        return failed(
            "The message came without XSESSIONID: inside TLS, after EHLO, the server must give a "
            "session ID of 128 letters and digits before its mail."
        )
    if claim.host != host:
        return failed(f"The client called itself {claim.host[:255]}, not {host}.")
    if claim.is_repeated:
        return failed("The session ID had been given before: each session needs a new one.")
    return passed("A session ID that was never given before came inside TLS, before the mail.")


def _judge_first(answer: _Answer, said: Said | None) -> Judgement:
    told = words(said) if said is not None else ""
    match answer:
        case _Answer.TRUE:
            return passed("The host said TRUE about the session that it had open.")
        case _Answer.FALSE:
            return failed("The host said FALSE about a session that it had open.")
        case _Answer.NOT_OFFERED:
            return failed("The host does not offer XVERIFY inside TLS: nobody can ask it.")
        case _Answer.STRANGE:
            return failed(f"To XVERIFY the host {told}: that is none of the answers there are.")
        case _Answer.LATER:
            return untested(
                f"The host {told}. It may have been asked a moment ago: try again in ten minutes."
            )
        case _Answer.NONE:
            return untested(f"The host could not be asked: it {told}.")


def _judge_again(asked: tuple[_Answer, Said | None]) -> Judgement:
    answer, said = asked
    told = words(said) if said is not None else ""
    match answer:
        case _Answer.TRUE:
            return failed("The host said TRUE again about a session ID that was used up.")
        case _Answer.NONE:
            return untested(f"The host could not be asked: it {told}.")
        case _Answer.NOT_OFFERED:
            return passed("The host did not offer XVERIFY again.")
        case _:
            return passed(f"The host {told}.")


def _read(said: Said) -> _Answer:
    if isinstance(said, Trouble):
        return _Answer.NONE
    word = said.text.strip().upper()
    if said.code == 250 and word == "TRUE":
        return _Answer.TRUE
    if said.code == 550 and word == "FALSE":
        return _Answer.FALSE
    return _Answer.LATER if said.is_transient else _Answer.STRANGE
