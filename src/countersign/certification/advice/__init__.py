"""What a test means, and how a failure is put right in four mail servers (DESIGN §8). Pure.

The words stand in TOML files beside this one, by subject: `tests` names tests, or patterns such
as `relay-*`; the most precise name wins. Of a text, lines that are indented by four spaces are to
be set as they are (settings, commands); all others flow.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any

INDENT = "    "
"""Begins a line that is a setting or a command."""


class Software(StrEnum):
    """The mail servers that advice is given for."""

    POSTFIX = "postfix"
    EXIM = "exim"
    EXCHANGE = "exchange"
    SENDMAIL = "sendmail"

    @property
    def title(self) -> str:  # type: ignore[override]
        """The name as people write it."""
        return self.value.capitalize()


@dataclass(frozen=True, slots=True)
class Advice:
    """What one test means, and what to do."""

    why: str = ""
    fix: Mapping[Software, str] = field(default_factory=lambda: MappingProxyType({}))
    """For every program, or for none."""
    gateway: str = ""
    """What to set in Countersign's own gateway; empty: it is not concerned."""

    @property
    def common(self) -> str:
        """The fix, if it is the same for all programs; otherwise empty."""
        texts = set(self.fix.values())
        return texts.pop() if len(texts) == 1 else ""


NONE = Advice()
"""Nothing is known: a test of an older or newer version."""


def advice_for(test_name: str) -> Advice:
    """Return the advice for a test; :data:`NONE` for a name that is not known."""
    exact, patterns = _load()
    if test_name in exact:
        return exact[test_name]
    fitting = [pattern for pattern in patterns if fnmatchcase(test_name, pattern)]
    return patterns[max(fitting, key=len)] if fitting else NONE


@lru_cache(maxsize=1)
def _load() -> tuple[dict[str, Advice], dict[str, Advice]]:
    """Return advice by exact name, and by pattern."""
    exact: dict[str, Advice] = {}
    patterns: dict[str, Advice] = {}
    for file in resources.files(__name__).iterdir():
        if not file.name.endswith(".toml"):
            continue
        for entry in tomllib.loads(file.read_text(encoding="utf-8"))["advice"]:
            advice = _advice(entry)
            for name in entry["tests"]:
                known = patterns if "*" in name else exact
                if name in known:
                    raise ValueError(f"{file.name}: there is other advice for {name}")
                known[name] = advice
    return exact, patterns


def _advice(entry: Mapping[str, Any]) -> Advice:
    unknown = set(entry) - {"tests", "why", "gateway", "any", *Software}
    if unknown:
        raise ValueError(f"unknown keys in the advice for {entry['tests']}: {sorted(unknown)}")
    fix = {one: _flow(entry.get(one) or entry["any"]) for one in Software}
    return Advice(_flow(entry["why"]), MappingProxyType(fix), _flow(entry.get("gateway", "")))


def _flow(text: str) -> str:
    """Return a text with each paragraph on one line, and settings as they are."""
    return "\n".join(_lines(text.strip("\n").splitlines()))


def _lines(wrapped: Iterable[str]) -> list[str]:
    lines: list[str] = []
    goes_on = False
    for line in wrapped:
        is_setting = line.startswith(INDENT)
        if is_setting or not line.strip():
            lines += [line.rstrip()] if is_setting else []
            goes_on = False
        elif goes_on:
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.strip())
            goes_on = True
    return lines
