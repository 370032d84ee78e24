"""The relay forms, tried one by one: some on each connection, no message ever sent."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from countersign.certification.forms import (
    ORDINARY_SENDERS,
    Names,
    RelayForm,
    fill_in,
)
from countersign.certification.judge import (
    Judgement,
    Relayed,
    judge_relay,
    passed,
    untested,
)
from countersign.certification.said import Said, Trouble, is_accepted, is_lost, words
from countersign.certification.session import Caller, Session
from countersign.certification.sheet import Sheet

FORMS_ON_A_CONNECTION = 8
"""Servers slow down or hang up after some errors on one connection: Postfix after ten."""
_MAX_FAILURES = 3
"""Calls that may fail, or commands that may be met with silence, in a row."""


class RelayTests:
    """Tries relay forms at one address."""

    def __init__(self, caller: Caller, sheet: Sheet, names: Names, *, has_tls: bool) -> None:
        self._caller = caller
        self._sheet = sheet
        self._names = names
        self._has_tls = has_tls
        self._session: Session | None = None
        self._is_in_tls = False
        self._tried = 0
        self._failures = 0
        self._senders: dict[bool, str] = {}
        """The first ordinary sender that the server took, inside TLS and outside."""

    async def run(self, forms: Sequence[RelayForm]) -> None:
        """Try each form, and note its outcome."""
        try:
            for form in forms:
                await self._try(form)
        finally:
            if self._session is not None:
                self._session.drop()

    async def _try(self, form: RelayForm) -> None:
        if self._failures >= _MAX_FAILURES:
            self._sheet.add(form.test, untested("The server was left alone after some failures."))
            return
        judgement = await self._judge(form)
        if judgement is None:
            # It may have been enough of us for one connection: a new one decides.
            judgement = await self._judge(form) or untested("The server closed the connection.")
        self._sheet.add(form.test, judgement)

    async def _judge(self, form: RelayForm) -> Judgement | None:
        """Try a form once; None where an old connection ended under it."""
        session = await self._ready(in_tls=self._has_tls and not form.in_clear)
        if not isinstance(session, Session):
            return untested(f"The server {words(session)}.")
        if form.extension and form.extension not in session.extensions:
            return passed(f"{form.extension} is not offered: such an address cannot be given.")
        self._tried += 1
        seen = await self._speak(session, form)
        last = seen.recipient if is_accepted(seen.mail) else seen.mail
        self._failures = self._failures + 1 if last is Trouble.TIMED_OUT else 0
        if self._tried > 1 and is_lost(last) and last is not Trouble.TIMED_OUT:
            return None
        return judge_relay(seen, has_control=bool(form.control))

    async def _speak(self, session: Session, form: RelayForm) -> Relayed:
        if form.hello_again and not is_accepted(said := await session.hello()):
            return Relayed(said)
        envelope = fill_in(form, self._names, await self._choose_sender(session), _random_part())
        mail = await session.ask(envelope.mail)
        if not is_accepted(mail):
            return Relayed(mail)
        recipient = await session.ask(envelope.recipient)
        control: Said | None = None
        if is_accepted(recipient) and envelope.control:
            control = await session.ask(envelope.control)
        if session.is_usable:
            await session.ask("RSET")
        return Relayed(mail, recipient, control)

    async def _choose_sender(self, session: Session) -> str:
        """Return a sender that the server takes, tried out once; the last one if it takes none."""
        sender = self._senders.get(self._is_in_tls, "")
        for template in () if sender else ORDINARY_SENDERS:
            sender = template.format(V=self._names.foreign_domain, T=self._names.host)
            said = await session.ask(f"MAIL FROM:{sender}")
            if session.is_usable and is_accepted(said):
                await session.ask("RSET")
            if is_accepted(said) or not session.is_usable:
                break
        self._senders[self._is_in_tls] = sender
        return sender

    async def _ready(self, *, in_tls: bool) -> Session | Said:
        """Return a session in which a form may be tried, a new one if need be."""
        session = self._session
        if session is not None:
            is_fit = session.is_usable and self._is_in_tls == in_tls
            if is_fit and self._tried < FORMS_ON_A_CONNECTION:
                return session
            await session.finish()
            self._session = None
        made = await self._caller.call_and_greet(in_tls=in_tls)
        if isinstance(made, Session):
            self._session, self._is_in_tls, self._tried = made, in_tls, 0
        else:
            self._failures += 1
        return made


def _random_part() -> str:
    return f"relaytest-{secrets.token_hex(8)}"
