"""How often a sign-in may fail, so that passwords cannot be guessed (DESIGN §5). Pure.

Three limits on failures in a window that slides. None of them lets somebody lock a user out from
elsewhere: from a network that an account has signed in from before, nothing counts but its own
failures in that network. So those who share a user's address can make him wait there, by failures
of his account; to let them guess without end would be worse.
"""

from __future__ import annotations

import stringprep
import unicodedata
from dataclasses import dataclass

from countersign.rules.submission import MAX_USER


@dataclass(frozen=True, slots=True)
class FailureLimits:
    """How many sign-ins may fail in a window; at that number the next one is not tried."""

    of_network: int = 30
    """From one network, for whatever account; holds for accounts that were never in it."""
    of_account_there: int = 8
    """Of one account from one network."""
    of_account: int = 50
    """Of one account from anywhere; holds for networks that the account was never in."""


@dataclass(frozen=True, slots=True)
class FailureCounts:
    """How many sign-ins have failed in the window before an attempt."""

    of_network: int
    of_account_there: int
    of_account: int
    is_known: bool
    """The account has signed in from this network before."""


def may_try(counts: FailureCounts, limits: FailureLimits) -> bool:
    """Tell whether a password may be looked at, or the client has to wait."""
    if counts.of_account_there >= limits.of_account_there:
        return False
    if counts.is_known:
        return True
    return counts.of_network < limits.of_network and counts.of_account < limits.of_account


def counted_name(name: str) -> str:
    """Return the form of a user's name under which failures are counted.

    All spellings that some source of passwords might take for one account (case, width, marks
    that SASLprep drops: RFC 4013 §2.1) have one form, or each would be good for as many guesses.
    """
    seen = "".join(letter for letter in name if not stringprep.in_table_b1(letter))
    folded = unicodedata.normalize("NFKC", seen).casefold()
    return unicodedata.normalize("NFKC", folded).strip()[:MAX_USER]
