"""Is an applicant a known offender? Scores, reasons, verdict (DESIGN §6). Pure.

Only an identity number proves who somebody is. Likeness of name, birth date and address is
for a person to judge, and never denies by itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from rapidfuzz import fuzz

NAME_WEIGHT, NAME_WITHOUT_DATE = 0.60, 0.75
"""What a name's likeness counts, of 100; more where no birth dates can be compared: companies
have none, and a company moves easily to another address."""
BIRTH_DATE_POINTS, ADDRESS_POINTS = 25, 15
"""The most that each adds."""


class Level(StrEnum):
    """How grave an offender's record is."""

    WARNED = "warned"
    """One offence, remedied: the bond is multiplied."""
    BARRED = "barred"
    """Repeated or unremedied: no registration."""


class Verdict(StrEnum):
    """What follows from a screening."""

    CLEAN = "clean"
    MULTIPLY = "multiply"
    DENY = "deny"
    DOUBTFUL = "doubtful"
    """A screener decides."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores of 0 to 100."""

    review: int = 70
    strong: int = 92


@dataclass(frozen=True, slots=True)
class Identity:
    """What is compared of a person or company."""

    name: str
    birth_date: date | None = None
    address: str = ""
    number_digests: frozenset[str] = frozenset()
    """Keyed hashes of identity numbers: equal hashes, equal numbers."""


@dataclass(frozen=True, slots=True)
class Match:
    """One offender whom an applicant may be."""

    offender_id: int
    level: Level
    score: int
    exact: bool
    """An identity number is the same."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Screening:
    """The outcome, with all matches worth a look, the likeliest first."""

    verdict: Verdict
    matches: tuple[Match, ...]


def fold_name(name: str) -> str:
    """Return a name without accents, case and punctuation, its parts in one order."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    letters = (
        char if char.isalnum() else " " for char in decomposed if not unicodedata.combining(char)
    )
    return " ".join(sorted("".join(letters).split()))


def compare(applicant: Identity, offender: Identity, offender_id: int, level: Level) -> Match:
    """Return how likely an applicant is one offender, 0 to 100, with the reasons."""
    if applicant.number_digests & offender.number_digests:
        return Match(offender_id, level, 100, True, ("the same identity number",))
    name = fuzz.token_sort_ratio(fold_name(applicant.name), fold_name(offender.name))
    reasons = [f"name alike by {name:.0f} of 100"]
    score = name * NAME_WITHOUT_DATE
    if applicant.birth_date and offender.birth_date:
        score = name * NAME_WEIGHT
        points, reason = _compare_birth_dates(applicant.birth_date, offender.birth_date)
        score += points
        reasons.append(reason)
    if applicant.address and offender.address:
        alike = fuzz.token_set_ratio(fold_name(applicant.address), fold_name(offender.address))
        score += alike * ADDRESS_POINTS / 100
        reasons.append(f"address alike by {alike:.0f} of 100")
    return Match(offender_id, level, round(max(0.0, min(score, 99.0))), False, tuple(reasons))


def _compare_birth_dates(one: date, other: date) -> tuple[float, str]:
    if one == other:
        return BIRTH_DATE_POINTS, "the same birth date"
    if one.year == other.year and (one.month, one.day) == (other.day, other.month):
        return 18, "the same birth date, day and month exchanged"
    same_parts = sum(
        a == b for a, b in ((one.year, other.year), (one.month, other.month), (one.day, other.day))
    )
    if same_parts == 2:
        return 10, "a birth date that differs in one part"
    return -25, "another birth date"


def judge(matches: Iterable[Match], thresholds: Thresholds) -> Screening:
    """Return the verdict on all matches of one application."""
    worth_a_look = sorted(
        (match for match in matches if match.exact or match.score >= thresholds.review),
        key=lambda match: (not match.exact, -match.score, match.offender_id),
    )
    exact = [match for match in worth_a_look if match.exact]
    if any(match.level is Level.BARRED for match in exact):
        verdict = Verdict.DENY
    elif len(exact) < len(worth_a_look):
        verdict = Verdict.DOUBTFUL
    elif exact:
        verdict = Verdict.MULTIPLY
    else:
        verdict = Verdict.CLEAN
    return Screening(verdict, tuple(worth_a_look))
