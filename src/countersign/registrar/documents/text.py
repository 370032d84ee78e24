"""The texts of contracts: Markdown with placeholders, one file for each version.

A version that has been published never changes: a new wording is a new version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.dates import format_date
from jinja2 import StrictUndefined, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from countersign.registrar.documents.characters import tidy_line

Value = str | int | date | Sequence[str]
"""What a placeholder may be filled with. Text is taken literally, whatever is in it."""

MAX_VALUE = 2000
"""Characters of one value."""
MAX_LIST = 100
_ROOT = Path(__file__).parent / "texts"
_VERSION = re.compile(r"([0-9]{4})-([0-9]{1,3})\Z")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
# Markdown lets every ASCII punctuation mark be escaped, and then never gives it a meaning.
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


class Kind(StrEnum):
    """What a text is for; also the name of its directory."""

    REGISTRATION_CONTRACT = "registration-contract"
    USER_AGREEMENT = "user-agreement"
    PRIVILEGED_USER_AGREEMENT = "privileged-user-agreement"
    SPONSOR_UNDERTAKING = "sponsor-undertaking"


class TextError(ValueError):
    """There is no such text, or it cannot be filled in so; the message says why."""


@dataclass(frozen=True, slots=True)
class Placeholders:
    """The names that a text wants to be filled in."""

    required: frozenset[str]
    optional: frozenset[str]
    """These have a default in the text."""


@dataclass(frozen=True, slots=True)
class Text:
    """One version of a text, with its placeholders."""

    kind: Kind
    version: str
    title: str
    source: str
    """Markdown with placeholders; lines end in LF."""

    @property
    def sha256(self) -> str:
        """The text's hash: SHA-256 of its source in UTF-8, hexadecimal."""
        return hashlib.sha256(self.source.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Filled:
    """A text that has been filled in: what a party reads and accepts."""

    text: Text
    markdown: str
    """Plain CommonMark with tables; without HTML."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the Markdown in UTF-8, hexadecimal."""
        return hashlib.sha256(self.markdown.encode()).hexdigest()


def versions(kind: Kind) -> tuple[str, ...]:
    """Return all versions of a text, oldest first."""
    names = (path.stem for path in (_ROOT / kind).glob("*.md"))
    return tuple(sorted((name for name in names if _VERSION.match(name)), key=_order))


def current(kind: Kind) -> str:
    """Return the newest version of a text: what is offered for acceptance."""
    return versions(kind)[-1]


def load_text(kind: Kind, version: str) -> Text:
    """Return one version of a text. Raises :class:`TextError` if there is none."""
    if not _VERSION.match(version):
        raise TextError("a version is written as 2026-1")
    return _read(Kind(kind), version)


def text_hash(kind: Kind, version: str) -> str:
    """Return SHA-256 of a text with its placeholders, hexadecimal. Raises :class:`TextError`."""
    return load_text(kind, version).sha256


def placeholders(kind: Kind, version: str) -> Placeholders:
    """Return the names that a text wants to be filled in. Raises :class:`TextError`."""
    tree = _environment.parse(load_text(kind, version).source)
    names = meta.find_undeclared_variables(tree)
    optional = {
        found.node.name
        for found in tree.find_all(nodes.Filter)
        if found.name == "default" and isinstance(found.node, nodes.Name)
    }
    return Placeholders(frozenset(names - optional), frozenset(optional))


def fill(kind: Kind, version: str, values: Mapping[str, Value]) -> Filled:
    """Return a text with its placeholders filled in; values it does not know are passed over.

    Values are escaped: nothing in them can become a heading, a link, a table cell or HTML.
    Raises :class:`TextError` that names the values which are missing or unfit.
    """
    text = load_text(kind, version)
    names = placeholders(kind, version)
    if missing := sorted(names.required - values.keys()):
        raise TextError(f"values are missing: {', '.join(missing)}")
    known = {
        name: _checked(name, value)
        for name, value in values.items()
        if name in names.required | names.optional
    }
    try:
        markdown = _environment.from_string(text.source).render(known)
    except TemplateError as error:
        raise TextError(f"{kind} {version}: {error.message}") from error
    return Filled(text, markdown)


def _order(version: str) -> tuple[int, int]:
    year, _, number = version.partition("-")
    return int(year), int(number)


@lru_cache(maxsize=64)
def _read(kind: Kind, version: str) -> Text:
    try:
        source = (_ROOT / kind / f"{version}.md").read_text("utf-8")
    except OSError:
        raise TextError(f"there is no version {version} of the {kind}") from None
    title = _TITLE.search(source)
    if title is None:
        raise TextError(f"{kind} {version} has no title")
    return Text(kind, version, title[1], source)


def _checked(name: str, value: Value) -> Value:
    if isinstance(value, str):
        if len(value) > MAX_VALUE:
            raise TextError(f"{name} is longer than {MAX_VALUE} characters")
        return value
    if isinstance(value, int | date) and not isinstance(value, bool):
        return value
    if isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
        if len(value) > MAX_LIST or sum(map(len, value)) > 10 * MAX_VALUE:
            raise TextError(f"{name} is too long a list")
        return value
    raise TextError(f"{name} is neither text, a whole number, a date, nor a list of texts")


def _written(value: Any) -> Any:
    """Return what is put in the place of a placeholder; undefined ones raise, later."""
    if isinstance(value, date):
        return format_date(value, "d MMMM yyyy", "en")
    if isinstance(value, str):
        return _PUNCTUATION.sub(r"\\\1", tidy_line(value))
    return value


_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    finalize=_written,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
