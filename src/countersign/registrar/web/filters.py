"""How values that only the registrar has are written on a page: countries, lives of servers."""

from __future__ import annotations

from dataclasses import dataclass

from babel.core import get_global

from countersign.web.filters import LOCALE, wording

_LIFE = ("draft", "submitted", "screened", "tested", "offered", "active")


def country(code: str) -> str:
    """Return the name of a country (ISO 3166 alpha-2), or the code if it has none."""
    return str(LOCALE.territories.get(code.upper(), code))


def countries() -> list[tuple[str, str]]:
    """Return all countries as (alpha-2 code, name), sorted by name, for a select field."""
    regions = {str(code) for code in get_global("territory_currencies")}
    found = [(code, country(code)) for code in regions if len(code) == 2 and code.isalpha()]
    return sorted(
        ((code, name) for code, name in found if name != code and code not in _NO_COUNTRY),
        key=lambda pair: pair[1],
    )


_NO_COUNTRY = frozenset({"AN", "BU", "CS", "DD", "EU", "SU", "TP", "YD", "YU", "ZR", "EA", "IC"})


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a stepper."""

    label: str
    status: str
    """done, current, coming or stopped."""


def life_cycle(state: object, reached: object = "") -> list[Step]:
    """Return the steps of a server's life with the present one marked.

    reached: for a state off the main line (denied, withdrawn, …), the last state on the line
    that the server was in; the steps after it are then not shown. Empty: 'active' for
    suspended, deregistered and lapsed, else 'submitted'.
    """
    now = str(state)
    if now in _LIFE:
        at = _LIFE.index(now)
        # 'active' is the end of the line: nothing remains to be done there.
        done = len(_LIFE) if now == _LIFE[-1] else at
        return [
            Step(wording(name), "done" if k < done else "current" if k == at else "coming")
            for k, name in enumerate(_LIFE)
        ]
    usual = "active" if now in {"suspended", "deregistered", "lapsed"} else "submitted"
    line = str(reached) if str(reached) in _LIFE else usual
    passed = [Step(wording(name), "done") for name in _LIFE[: _LIFE.index(line) + 1]]
    return [*passed, Step(wording(now), "stopped")]
