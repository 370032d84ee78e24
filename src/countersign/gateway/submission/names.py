"""Names of users: as a client's SASL message has them, and as others have checked them."""

from __future__ import annotations

import structlog

from countersign.gateway.submission.settings import SignIn
from countersign.protocol.sasl import SaslSyntaxError, parse_name, parse_plain, scram_name
from countersign.rules.naming import ForeignDomainError, Naming

log = structlog.get_logger()


class ProvenNames:
    """Makes of a name that an MTA or Dovecot has checked the one that is counted."""

    def __init__(self, settings: SignIn) -> None:
        self._naming = Naming(settings.names == "local-part", frozenset(settings.domains))
        self._was_told = False

    def user(self, name: str) -> str:
        """Return the name under which everything is counted; the log tells once what to set.

        Raises :class:`ForeignDomainError`, and :class:`ValueError` for what can be no name.
        """
        try:
            return self._naming.user(name)
        except ForeignDomainError:
            if not self._was_told:
                self._was_told = True
                log.error(
                    "user refused for the domain in the name",
                    advice="list this server's domains in sign_in.domains, or set sign_in.names to "
                    "'local-part' if whatever checks passwords drops what follows the @",
                )
            raise

    def guessed(self, name: str) -> str:
        """Return under which name a guess at a password is counted, whatever was named.

        Those with domains that nobody has are guesses at one account.
        """
        try:
            return self._naming.user(name)
        except ValueError:
            return name.partition("@")[0]


def named_user(mechanism: str, first: bytes) -> str:
    """Return the name in the first message that a client sent; empty: there is none to be read."""
    try:
        if mechanism == "PLAIN":
            return parse_plain(first).user
        if mechanism.startswith("SCRAM-"):
            return scram_name(first)
        return parse_name(first)
    except SaslSyntaxError:
        return ""


def is_guess(mechanism: str, number: int) -> bool:
    """Tell whether a client's message, by its number from 0, is where its password is judged."""
    return mechanism == "PLAIN" or number > 0
