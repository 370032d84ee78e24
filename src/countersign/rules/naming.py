"""Under which name a user is counted whose password somebody else checked. Pure.

Many checkers of passwords (saslauthd, Dovecot with `%n`) drop what follows the @ and let one
password in under any domain. Were each spelling counted alone, the limits would hold for none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from countersign.rules.submission import normalise_user


class ForeignDomainError(ValueError):
    """A name has a domain that is not among those whose users are told apart."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How the names of one server's users are read."""

    drops_domain: bool = False
    """What follows the @ tells nothing; otherwise it must be one of ``domains``."""
    domains: Collection[str] = ()
    """In lower case."""

    def user(self, name: str) -> str:
        """Return the name under which everything is counted.

        Raises :class:`ForeignDomainError`, and :class:`ValueError` for what can be no name.
        """
        user, at, domain = normalise_user(name).partition("@")
        if "@" in domain:
            # Where such a name is cut, programs do not agree.
            raise ValueError("a user's name has one @ at most")
        if not user:
            raise ValueError("a user's name does not begin with @")
        if self.drops_domain or not at:
            return user
        if domain not in self.domains:
            raise ForeignDomainError("the domain of a user's name is not one of this server's")
        return f"{user}@{domain}"
