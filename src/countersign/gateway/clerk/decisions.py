"""The administrator is told what the registrar said about users, later than it was asked.

An order that was refused for good, with the privilege that ended by it, and the answer to a
question that had to wait. An event is noted as told only after the MTA has taken the letter; a
crash between the two makes a second copy with the same Message-ID.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from countersign.gateway.clerk.letter import administrator_of
from countersign.gateway.clerk.posting import Post
from countersign.gateway.clerk.telling import LOOK_SECONDS, tell_each, tell_for_ever
from countersign.gateway.config import Config
from countersign.storage.submission.account_rows import Event, EventKind, OrderKind
from countersign.storage.submission.accounts import Accounts

_MOST_AT_ONCE: Final = 10_000
"""Events that are looked at: far more than letters that may be refused for good."""


class Decisions:
    """Tells of what the registrar said."""

    def __init__(
        self, config: Config, accounts: Accounts, *, clock: Callable[[], float] = time.time
    ) -> None:
        """``clock``: seconds since the epoch."""
        self._config = config
        self._accounts = accounts
        self._clock = clock
        self._post = Post(config)

    async def run(self, look_seconds: float = LOOK_SECONDS) -> None:
        """Tell until cancelled."""
        try:
            await tell_for_ever("decision", self.tell_all, look_seconds)
        finally:
            await self._post.aclose()

    async def tell_all(self) -> int:
        """Tell of all that is untold; return how many letters were taken.

        Raises :class:`~countersign.storage.tables.TablesUnavailableError` and
        :class:`~countersign.gateway.clerk.posting.LetterRefusedError`.
        """
        return await tell_each(await self._accounts.untold(_MOST_AT_ONCE), self._tell)

    async def _tell(self, event: Event) -> bool:
        await self._post.send(_letter(self._config, event, self._clock()))
        await self._accounts.told(event)
        return True


def _letter(config: Config, event: Event, now: float) -> bytes:
    letter = EmailMessage(policy=SMTP)
    letter["From"] = f"Countersign <postmaster@{config.hostname}>"
    letter["To"] = administrator_of(config)
    letter["Subject"] = f"What the registrar says about {event.user}"
    letter["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    letter["Message-ID"] = f"<decision.{event.id}.{int(event.at)}@{config.hostname}>"
    # RFC 3834 §5: nobody's automatic answer comes back.
    letter["Auto-Submitted"] = "auto-generated"
    text = _answer(event) if event.kind is EventKind.OFFENDER_ANSWERED else _refusal(event)
    more = f"All that was decided:\n\n  countersign users show {shlex.quote(event.user)}"
    letter.set_content(f"{text}\n\n{more}\n", cte="quoted-printable")
    return letter.as_bytes()


def _answer(event: Event) -> str:
    asked = f"The registrar was asked whether {event.user} is a known offender, and has answered:\n"
    level, month = event.details.get("level"), event.details.get("month")
    if level is None:
        return f"{asked}no such offender is known. Nothing is left to be done."
    name = shlex.quote(event.user)
    return (
        f"{asked}a known offender ({level}); the last offence was in {month}.\n\n"
        "It is for you to decide whether the user stays. To stop the account:\n\n"
        f'  countersign users lock {name} --reason "Known offender"\n\n'
        "The reason is not shown to the user. The lock holds until you unlock it, also for a user "
        "who is\nremoved. To end the sign-ins too, where passwords are kept here:\n\n"
        f"  countersign users disable {name}"
    )


def _refusal(event: Event) -> str:
    what = {
        OrderKind.REGISTER: "to register the privileged user",
        OrderKind.REVOKE: "to end the registration of",
        OrderKind.OFFENDER: "the question about",
    }[OrderKind(event.details["order"])]
    text = f"The registrar refuses {what} {event.user}:\n{event.words}"
    if event.details.get("privilege_ended"):
        text += "\n\nThe privilege has ended, and the default limits hold. To grant it again:\n\n"
        text += f"  countersign users privilege {shlex.quote(event.user)} --accepted DATE"
    return text
