"""A step of an application as a form: groups of fields, values and errors in their places. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby

from countersign.registrar.particulars.steps import FieldSpec, StepSpec

_WIDTHS = {"tel": "medium", "date": "medium"}
_SHORT = {"postal_code": "short", "number": "medium", "acn": "medium", "abn": "medium"}
_SIDE_BY_SIDE = frozenset({"postal_code", "region", "phone", "fax", "acn", "abn"})
"""Short fields that stand beside their neighbours of the same sort."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field, ready to be drawn."""

    spec: FieldSpec
    key: str
    """Its name in the form, with the number of the repetition."""
    value: str
    error: str

    @property
    def width(self) -> str:
        """How wide the field is: short, medium or as wide as can be."""
        last = self.spec.name.rpartition("-")[2]
        return _WIDTHS.get(self.spec.kind) or _SHORT.get(last, "")

    @property
    def attributes(self) -> dict[str, object]:
        """Attributes that help those who type."""
        found: dict[str, object] = {"maxlength": self.spec.max_length}
        if self.spec.kind == "tel":
            found["inputmode"] = "tel"
        if self.spec.name in ("hostname", "website") or self.spec.kind == "email":
            found |= {"spellcheck": "false", "autocapitalize": "none"}
        return found


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading; ``rows`` has those together that stand beside each other."""

    label: str
    rows: list[list[FormField]]


@dataclass(frozen=True, slots=True)
class Member:
    """The fields of one repetition, or of a step that has none."""

    number: int
    """From 0."""
    groups: list[Group]
    hidden: list[FormField] = field(default_factory=list)


def members_of(
    spec: StepSpec, values: Mapping[str, str], errors: Mapping[str, str], count: int = 1
) -> list[Member]:
    """Return what a step's form shows; count: repetitions at least, where there are any."""
    if spec.repeat is None:
        return [_member(spec, 0, values, errors)]
    shown = max(count, 1 + highest_index(spec, values), spec.repeat.minimum)
    return [
        _member(spec, number, values, errors) for number in range(min(shown, spec.repeat.maximum))
    ]


def highest_index(spec: StepSpec, values: Mapping[str, str]) -> int:
    """Return the number of the last repetition that has a value; -1: there is none."""
    assert spec.repeat is not None
    head = f"{spec.repeat.name}-"
    parts = (key.split("-") for key in values if key.startswith(head))
    found = (int(part[1]) for part in parts if len(part) > 2 and part[1].isdecimal())
    return max(found, default=-1)


def without_member(spec: StepSpec, values: Mapping[str, str], number: int) -> dict[str, str]:
    """Return a form's values without one repetition; those behind it move up."""
    assert spec.repeat is not None
    kept: dict[str, str] = {}
    for key, value in values.items():
        head, _, rest = key.partition("-")
        index, _, name = rest.partition("-")
        if head != spec.repeat.name or not index.isdecimal():
            kept[key] = value
        elif int(index) != number:
            kept[spec.repeat.field(int(index) - (int(index) > number), name)] = value
    return kept


def _member(
    spec: StepSpec, number: int, values: Mapping[str, str], errors: Mapping[str, str]
) -> Member:
    fields = []
    for one in spec.fields:
        key = spec.repeat.field(number, one.name) if spec.repeat is not None else one.name
        usual = one.choices[0][0] if one.kind == "choice" and not one.required else ""
        fields.append(FormField(one, key, values.get(key, usual), errors.get(key, "")))
    shown = [one for one in fields if one.spec.kind != "hidden"]
    # What has no heading comes first, so that it does not look like a part of what is above it.
    shown.sort(key=lambda one: one.spec.group != "")
    groups = [
        Group(label, _rows(list(members)))
        for label, members in groupby(shown, key=lambda one: one.spec.group)
    ]
    return Member(number, groups, [one for one in fields if one.spec.kind == "hidden"])


def _rows(fields: list[FormField]) -> list[list[FormField]]:
    rows: list[list[FormField]] = []
    for one in fields:
        beside = one.spec.name.rpartition("-")[2] in _SIDE_BY_SIDE
        last = rows[-1][-1].spec.name.rpartition("-")[2] if rows else ""
        if beside and last in _SIDE_BY_SIDE and len(rows[-1]) < 2:
            rows[-1].append(one)
        else:
            rows.append([one])
    return rows
