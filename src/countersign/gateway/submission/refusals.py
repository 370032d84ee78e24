"""The words with which submission refuses: what happened, and what to ask whom for."""

from __future__ import annotations

from countersign.gateway.config import Config
from countersign.protocol.reply import Reply, reply
from countersign.rules.submission import Limits
from countersign.storage.submission.tables import Lock, LockReason


class Refusals:
    """Replies of one gateway."""

    unavailable = reply(451, "4.3.0", "Cannot be counted at the moment, please try again later")
    not_signed_in = reply(530, "5.7.0", "Sign in first: mail is taken from this server's users")
    in_clear = reply(538, "5.7.11", "A password is taken inside TLS only: use STARTTLS first")
    cannot_sign_in = reply(454, "4.3.0", "Passwords cannot be checked now, try again later")
    sign_in_again = reply(421, "4.7.0", "Sign in again")

    def __init__(self, config: Config) -> None:
        """Take who is to be asked from the configuration."""
        self._who = config.administrator.contact or "your mail administrator"

    def rejected(self, reason: str) -> Reply:
        """Refuse a sign-in; ``reason`` as the source gave it. What was wrong is not told."""
        if reason == "limited":
            words = "Too many failed sign-ins from your address, try again later"
            return reply(454, "4.7.0", words)
        if reason == "syntax":
            return reply(501, "5.5.2", "That is not how this mechanism goes")
        return reply(535, "5.7.8", "User or password is wrong")

    def too_many(self, limits: Limits) -> Reply:
        """Refuse a message with more recipients than one may have (DESIGN §5)."""
        words = (
            f"A message may have {limits.per_message} recipients; "
            f"to send to more, ask {self._who} for the privilege"
        )
        return reply(550, "5.5.3", words)

    @property
    def disabled(self) -> Reply:
        """Refuse whatever a user wants to send who may not sign in."""
        return reply(550, "5.7.1", f"This account may not send: ask {self._who}")

    def locked(self, lock: Lock) -> Reply:
        """Refuse whatever a locked account wants to send."""
        if lock.reason is LockReason.ADMINISTRATOR:
            return self.disabled
        words = (
            f"This account is locked: {lock.used} recipients in 24 hours, and {lock.wanted} more "
            f"would pass the limit of {lock.limit}. If that was not you, change your password; "
            f"{self._who} can unlock it"
        )
        return reply(550, "5.7.28", words)
