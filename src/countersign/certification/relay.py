"""The relay forms, tried one by one: some on each connection, a message where one is accepted."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence

from countersign.certification.delivery import Delivered, Messages
from countersign.certification.forms import (
    ORDINARY_SENDERS,
    Envelope,
    Names,
    RelayForm,
    fill_in,
    forms_for,
)
from countersign.certification.judge import passed, untested
from countersign.certification.judge_relay import Relayed, judge_relay
from countersign.certification.said import Said, Trouble, is_accepted, is_lost, words
from countersign.certification.session import Caller, Session
from countersign.certification.sheet import Sheet
from countersign.certification.visit import Visit

FORMS_ON_A_CONNECTION = 8
"""Servers slow down or hang up after some errors on one connection: Postfix after ten."""
_MAX_FAILURES = 3
"""Calls that may fail, or commands that may be met with silence, in a row."""
_ENOUGH = 3
"""Messages to plain foreign recipients after which a server is tried no further, once all that
may be sent are sent."""


async def check_relay(visit: Visit) -> None:
    """Try each relay form at an address, and note its outcome."""
    tests = RelayTests(visit.caller, visit.sheet, visit.names, visit.messages)
    tests.has_tls = visit.has_tls
    await tests.run([form for form in forms_for(visit.names) if visit.sheet.wants(form.test)])


class RelayTests:
    """Tries relay forms at one address."""

    def __init__(self, caller: Caller, sheet: Sheet, names: Names, messages: Messages) -> None:
        self.has_tls = False
        self._caller = caller
        self._sheet = sheet
        self._names = names
        self._messages = messages
        self._session: Session | None = None
        self._is_in_tls = False
        self._tried = 0
        self._failures = 0
        self._taken = 0
        self._senders: dict[bool, str] = {}
        """The first ordinary sender that the server took, inside TLS and outside; templates."""

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
        if self._taken >= _ENOUGH and not self._messages.left:
            words_ = f"The server took {self._taken} messages to foreign recipients: enough."
            self._sheet.add(form.test, untested(words_))
            return
        if not await self._is_judged(form, is_last=False):
            # It may have been enough of us for one connection: a new one decides.
            await self._is_judged(form, is_last=True)

    async def _is_judged(self, form: RelayForm, *, is_last: bool) -> bool:
        """Try a form once; False where an old connection ended under it."""
        session = await self._ready(in_tls=self.has_tls and not form.in_clear)
        if not isinstance(session, Session):
            self._sheet.add(form.test, untested(f"The server {words(session)}."))
            return True
        if form.extension and form.extension not in session.extensions:
            self._sheet.add(form.test, passed(f"{form.extension} is not offered."))
            return True
        self._tried += 1
        seen = await self._speak(session, form)
        self._failures = self._failures + 1 if seen.last is Trouble.TIMED_OUT else 0
        was_dropped = is_lost(seen.last) and seen.last is not Trouble.TIMED_OUT
        if was_dropped and self._tried > 1 and not is_last:
            return False
        if seen.numbers and not form.is_local and not is_accepted(seen.control):
            self._taken += 1
        has_mailbox = bool(self._messages.mark)
        judgement = judge_relay(seen, has_mailbox=has_mailbox, is_local=form.is_local)
        self._sheet.add(form.test, judgement, seen.numbers)
        return True

    async def _speak(self, session: Session, form: RelayForm) -> Relayed:
        auth: Said | None = None
        if form.hello_again and not is_accepted(said := await session.hello()):
            return Relayed(said)
        if form.after_failed_auth:
            auth = await _try_password(session)
            if is_lost(auth):
                return Relayed(auth)
        number = self._messages.new_number()
        sender = form.sender or await self._choose_sender(session)
        envelope = fill_in(
            form, self._names, sender, random_part(), self._messages.local_parts(number)
        )
        mail = await session.ask(envelope.mail)
        if not is_accepted(mail):
            return Relayed(mail, auth=auth)
        recipient = await session.ask(envelope.recipient)
        control: Said | None = None
        delivered: Delivered | None = None
        if is_accepted(recipient):
            control = await session.ask(envelope.control) if envelope.control else None
            if await self._is_still_open(session, envelope, control):
                delivered = await self._messages.send(session, form.test, number)
        if session.is_usable:
            await session.ask("RSET")
        return Relayed(mail, recipient, control, delivered, auth)

    async def _is_still_open(
        self, session: Session, envelope: Envelope, control: Said | None
    ) -> bool:
        """Tell whether a transaction to the form's recipient, and to no other, is open."""
        if not session.is_usable or not self._messages.left:
            return False
        if not is_accepted(control):
            return True
        # The unknown recipient for comparison is to get no message.
        for command in ("RSET", envelope.mail, envelope.recipient):
            if not is_accepted(await session.ask(command)):
                return False
        return True

    async def _choose_sender(self, session: Session) -> str:
        """Return a sender that the server takes, tried out once; the last one if it takes none."""
        sender = self._senders.get(self._is_in_tls, "")
        parts = self._messages.local_parts(self._messages.new_number())
        for template in () if sender else ORDINARY_SENDERS:
            sender = template
            filled = template.format(
                V=self._names.foreign_domain, T=self._names.host, S=parts.sender
            )
            said = await session.ask(f"MAIL FROM:{filled}")
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


async def _try_password(session: Session) -> Said:
    """Try a user and a password that were made up by chance."""
    guess = f"\0relaytest-{secrets.token_hex(8)}\0{secrets.token_hex(16)}"
    said = await session.ask(f"AUTH PLAIN {base64.b64encode(guess.encode()).decode()}")
    if not isinstance(said, Trouble) and said.is_intermediate:
        said = await session.ask("*")
    return said


def random_part() -> str:
    """Return a local part that is nobody's."""
    return f"relaytest-{secrets.token_hex(8)}"
