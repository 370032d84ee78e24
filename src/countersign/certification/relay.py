"""The relay forms, tried one by one; a message is sent where one is accepted."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from countersign.certification.attempt import attempt
from countersign.certification.form import Envelope, RelayForm, fill_in, random_part
from countersign.certification.forms import ORDINARY_SENDERS
from countersign.certification.judge import passed, untested
from countersign.certification.judge_relay import Relayed, judge_relay, leaves_doubt
from countersign.certification.put_off import keep
from countersign.certification.said import (
    Said,
    Trouble,
    is_accepted,
    is_lost,
    is_policy,
    is_put_off,
    is_refused,
    shape,
    words,
)
from countersign.certification.session import Session
from countersign.certification.turns import Turns
from countersign.certification.visit import Visit
from countersign.protocol.reply import Reply

_ENOUGH = 3
"""Messages to foreign recipients after which a server is tried no further: whether it relays is
known when one of them arrives."""

_REFUSES_US = (
    "The server refuses this recipient in the same words as mail to its own postmaster: it is the "
    "tester that it refuses, and whether it relays for others is not known."
)
_NO_SENDER = "The server takes no mail from any sender that was tried: no recipient could be tried."

_PUT_OFF_TWICE = (
    "So it was before: whether the recipient is ever taken is not known. Refuse it for good."
)

_ABOUT_SENDER = ("4.1.7", "4.1.8")
"""Status codes (RFC 3463) for a sender whose address is not valid, or whose domain is unknown."""


@dataclass(slots=True)
class _Try:
    """A form, and the envelope with which it was tried."""

    form: RelayForm
    envelope: Envelope | None = None
    number: str = ""
    source: str = ""
    """Local address from which it was put off."""
    is_repeated: bool = False


class RelayTests:
    """Tries relay forms at one address."""

    def __init__(self, visit: Visit, turns: Turns) -> None:
        self._visit = visit
        self._turns = turns
        self._messages = visit.messages
        self._taken = 0
        self._senders: dict[bool, str] = {}
        """The first ordinary sender that the server took, inside TLS and outside; templates."""
        self._unwelcome: set[bool] = set()
        """Where it took none, and not by the policy of a gateway that lets no stranger in."""

    async def run(self, forms: Sequence[RelayForm]) -> None:
        """Try each form, and note its outcome."""
        for form in forms:
            await self._make(_Try(form))

    async def _make(self, one: _Try) -> None:
        if reason := self.reason_to_stop():
            self._visit.sheet.add(one.form.test, untested(reason), is_essential=True)
        elif not await self._is_judged(one, is_last=False):
            # It may have been enough of us for one connection: a new one decides.
            await self._is_judged(one, is_last=True)

    async def _repeat(self, one: _Try) -> None:
        one.is_repeated = True
        await self._make(one)

    def reason_to_stop(self) -> str:
        """Return a sentence; empty: there is no reason."""
        if self._turns.is_hopeless:
            return "The server was left alone after some failures."
        if self._taken >= _ENOUGH:
            return f"The server took {self._taken} messages to foreign recipients: that is enough."
        return ""

    async def _is_judged(self, one: _Try, *, is_last: bool) -> bool:
        """Try a form once; False where an old connection ended under it."""
        sheet, form = self._visit.sheet, one.form
        in_tls = self._visit.has_tls and not form.in_clear
        session = await self._turns.take(in_tls=in_tls, source=one.source)
        if not isinstance(session, Session):
            # Whoever shuts us out before the last form is not to pass by that.
            sheet.add(form.test, untested(f"The server {words(session)}."), is_essential=True)
            return True
        if form.extension and form.extension not in session.extensions:
            self._turns.give_back()
            sheet.add(form.test, passed(f"{form.extension} is not offered."))
            return True
        seen = await self._speak(session, one, in_tls=in_tls)
        self._turns.ended(seen.last)
        was_dropped = is_lost(seen.last) and seen.last is not Trouble.TIMED_OUT
        if was_dropped and not is_last and not self._turns.is_first:
            return False
        is_late = is_put_off(seen.last) and not _is_about_sender(form, seen.last)
        if is_late and not one.is_repeated:
            one.source = session.source
            keep(self._visit, form.test, partial(self._repeat, one))
            return True
        if seen.numbers and not form.is_local and not is_accepted(seen.control):
            self._taken += 1
        has_mailbox = bool(self._messages.mark)
        # One form that makes it hang up is none that it relays; silence and 421 say nothing.
        is_cut_short = is_lost(seen.last) and seen.last is not Trouble.CLOSED
        judgement = judge_relay(seen, has_mailbox=has_mailbox, is_local=form.is_local)
        if self._visit.refusal and self._visit.refusal == shape(seen.recipient):
            judgement = untested(_REFUSES_US)
        elif is_refused(seen.mail) and not form.sender and in_tls in self._unwelcome:
            judgement, is_cut_short = untested(_NO_SENDER), True
        elif is_late:
            judgement = untested(f"{judgement.explanation} {_PUT_OFF_TWICE}")
        is_in_doubt = is_late or is_cut_short or leaves_doubt(seen, judgement)
        sheet.add(form.test, judgement, seen.numbers, is_essential=is_in_doubt)
        return True

    async def _speak(self, session: Session, one: _Try, *, in_tls: bool) -> Relayed:
        form = one.form
        if form.hello_again and not is_accepted(said := await session.hello()):
            return Relayed(said)
        auth = await _try_password(session) if form.after_failed_auth else None
        if is_lost(auth):
            return Relayed(auth or Trouble.CLOSED)
        if one.envelope is None or not one.is_repeated:
            sender = form.sender or await self._choose_sender(session, in_tls=in_tls)
            one.number = self._messages.new_number()
            parts = self._messages.local_parts(one.number)
            one.envelope = fill_in(form, self._visit.names, sender, random_part(), parts)
        seen = await attempt(session, one.envelope, form.test, self._messages, one.number)
        return replace(seen, auth=auth)

    async def _choose_sender(self, session: Session, *, in_tls: bool) -> str:
        """Return a sender that the server takes, tried out once; the last one if it takes none."""
        sender = self._senders.get(in_tls, "")
        names = self._visit.names
        parts = self._messages.local_parts(self._messages.new_number())
        for template in () if sender else ORDINARY_SENDERS:
            sender = template
            filled = template.format(V=names.foreign_domain, T=names.host, S=parts.sender)
            said = await session.ask(f"MAIL FROM:{filled}")
            if session.is_usable and is_accepted(said):
                await session.ask("RSET")
            if is_accepted(said) or not session.is_usable:
                break
            if is_refused(said) and not is_policy(said) and template == ORDINARY_SENDERS[-1]:
                self._unwelcome.add(in_tls)
        self._senders[in_tls] = sender
        return sender


def _is_about_sender(form: RelayForm, said: Said) -> bool:
    """Tell whether it is a form's odd sender that was put off: no greylisting, and for ever."""
    is_odd = bool(form.sender) and not form.is_essential
    return is_odd and isinstance(said, Reply) and said.enhanced in _ABOUT_SENDER


async def _try_password(session: Session) -> Said:
    """Try a user and a password that were made up by chance."""
    guess = f"\0relaytest-{secrets.token_hex(8)}\0{secrets.token_hex(16)}"
    said = await session.ask(f"AUTH PLAIN {base64.b64encode(guess.encode()).decode()}")
    if not isinstance(said, Trouble) and said.is_intermediate:
        said = await session.ask("*")
    return said
