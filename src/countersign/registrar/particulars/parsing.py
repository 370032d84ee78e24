"""One step's form or JSON in; checked values, or what to do about each field, out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from countersign.registrar.particulars.fields import Checks, Part
from countersign.registrar.particulars.steps import (
    FieldSpec,
    Step,
    StepSpec,
    all_steps,
    members_of,
    section_of,
)
from countersign.registrar.particulars.text import MAX_RAW, printable

MAX_KEYS = 2000
"""Fields in one form; 50 directors have about 1,000."""
MAX_KEY = 80
_MAX_DEPTH = 4
_MAX_INTEGER = 2**63
_INDEX = re.compile(r"\d{1,4}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of one step's form."""

    step: Step
    values: Part | None
    """The step's model, every value in its normal form; None if there are errors."""
    errors: dict[str, str]
    """By the fields' keys (``directors-0-address-line1``): what to do, in plain words. The empty
    key is for the step as a whole."""
    entered: dict[str, str]
    """What was entered, by the fields' keys, to show it again."""

    @property
    def ok(self) -> bool:
        """There are no errors."""
        return self.values is not None


def parse_form(step: Step, form: Mapping[str, str], checks: Checks) -> StepResult:
    """Check an HTML form: a flat mapping of text.

    Keys that are no fields of the step (buttons, the CSRF token) are passed over, and so are
    members of a repeated group in which nothing was filled in.
    """
    spec = _spec_with_form(step)
    known = {key: value for key, value in form.items() if spec.field(key) is not None}
    if spec.repeat is not None:
        known = _without_blank_groups(spec, known)
    return parse_step(step, known, checks)


def parse_step(step: Step, data: Mapping[str, Any], checks: Checks) -> StepResult:
    """Check one step's values: nested, as JSON has them, or flat (``address-line1``).

    Nothing is raised for anything in ``data``. Raises :class:`ValueError` for a step without
    fields.
    """
    spec = _spec_with_form(step)
    assert spec.model is not None
    try:
        entered = dict(islice(_flatten(data, ""), MAX_KEYS))
    except _UnfitError as error:
        return StepResult(step, None, {"": str(error)}, {})
    nested = _nest(entered, spec)
    shown = {key: _as_text(value) for key, value in _flatten(nested, "")}
    try:
        values = spec.model.model_validate(_complete(spec.model, nested), context=checks)
    except ValidationError as error:
        errors: dict[str, str] = {}
        for problem in error.errors(include_url=False, include_context=False):
            key = "-".join(str(part) for part in problem["loc"])
            errors.setdefault(key, _words(spec, key, problem))
        return StepResult(step, None, _without_echoes(errors), shown)
    return StepResult(step, values, {}, shown)


def flatten_part(part: Part) -> dict[str, str]:
    """Return a part's values as a form shows them, by the fields' keys."""
    return {key: _as_text(value) for key, value in _flatten(part.model_dump(), "")}


class _UnfitError(Exception):
    """The data has not the shape of a form."""


def _spec_with_form(step: Step) -> StepSpec:
    spec = all_steps()[step]
    if spec.model is None:
        raise ValueError(f"the step '{step}' has no fields")
    return spec


def _flatten(data: object, key: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield every value that is not empty, by its key, in bounds."""
    if isinstance(data, Mapping):
        members = [(str(name), value) for name, value in data.items()]
    elif isinstance(data, list | tuple):
        members = [(str(index), value) for index, value in enumerate(data)]
    else:
        if isinstance(data, str) and len(data) > MAX_RAW:
            raise _UnfitError("Shorten the answers: one of them is far too long.")
        if isinstance(data, int) and abs(data) > _MAX_INTEGER:
            raise _UnfitError("Send the fields of this step only.")
        if isinstance(data, str | int | float | date) and data != "":
            yield key, data
        return
    if depth >= _MAX_DEPTH or len(members) > MAX_KEYS:
        raise _UnfitError("Send the fields of this step only.")
    for name, value in members:
        inner = f"{key}-{name}" if key else name
        if len(inner) > MAX_KEY:
            raise _UnfitError("Send the fields of this step only.")
        yield from _flatten(value, inner, depth + 1)


def _nest(flat: Mapping[str, Any], spec: StepSpec) -> dict[str, Any]:
    """Return values by name within their groups; a repeated group becomes a list."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        place = nested
        *path, last = key.split("-", _MAX_DEPTH - 1)
        for name in path:
            inner = place.setdefault(name, {})
            if not isinstance(inner, dict):
                inner = place[name] = {}
            place = inner
        place[last] = value
    name = spec.repeat.name if spec.repeat is not None else ""
    groups = nested.get(name)
    if isinstance(groups, dict) and all(_INDEX.match(index) for index in groups):
        # Members that were taken out leave gaps, which close here.
        nested[name] = [groups[index] for index in sorted(groups, key=int)]
    return nested


def _complete(model: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    """Add the groups of fields in which nothing is given, so that each field is asked for."""
    whole = dict(data)
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is not None:
            inner = whole.get(name, {})
            whole[name] = _complete(section, inner) if isinstance(inner, dict) else inner
            continue
        item, members = members_of(field), whole.get(name)
        if item is not None and isinstance(members, list):
            whole[name] = [
                _complete(item, member) if isinstance(member, dict) else member
                for member in members
            ]
    return whole


def _without_blank_groups(spec: StepSpec, form: Mapping[str, str]) -> dict[str, str]:
    filled = set()
    for key, value in form.items():
        field = spec.field(key)
        # A choice or a country that is preselected is not something filled in.
        asked = field is not None and field.kind not in ("hidden", "choice", "country")
        if asked and isinstance(value, str) and value.strip():
            filled.add(key.split("-")[1])
    return {key: value for key, value in form.items() if key.split("-")[1] in filled}


def _without_echoes(errors: dict[str, str]) -> dict[str, str]:
    """Leave out what is said of a group as a whole where its fields have errors of their own."""
    groups = {key[:place] for key in errors for place, char in enumerate(key) if char == "-"}
    return {key: text for key, text in errors.items() if key not in groups}


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else ""
    if isinstance(value, Enum):
        return str(value.value)
    return value.isoformat() if isinstance(value, date) else printable(str(value))


def _words(spec: StepSpec, key: str, problem: ErrorDetails) -> str:
    """Return what to do about a fault of a field."""
    kind, field = problem["type"], spec.field(key)
    if kind == "value_error":
        return problem["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return "Leave this out: there is no such field."
    return _words_for_group(spec, kind) if field is None else _words_for_field(field, kind)


def _words_for_field(field: FieldSpec, kind: str) -> str:
    label = _within_sentence(field.label)
    if kind in ("missing", "string_too_short", "too_short"):
        if label.endswith("?"):
            return "Answer this question."
        return f"{'Choose' if field.kind in ('choice', 'country') else 'Enter'} the {label}."
    if kind == "string_too_long":
        return f"Use at most {field.max_length} characters."
    if kind == "enum":
        return f"Choose one of: {', '.join(value for value, _ in field.choices)}."
    return f"Check the {label}: it is not of the right kind."


def _words_for_group(spec: StepSpec, kind: str) -> str:
    if spec.repeat is not None and kind in ("missing", "too_short", "too_long"):
        label = spec.repeat.label.lower()
        if kind == "too_long":
            return f"Give at most {spec.repeat.maximum} of: {label}."
        return f"Give at least one {label}."
    return "Give the fields of this group one by one."


def _within_sentence(label: str) -> str:
    """Return a label in lower case, abbreviations aside."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]
