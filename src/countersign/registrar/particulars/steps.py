"""The steps of an application: which forms there are, and which fields each has.

All of it is read off the models, so that the website's forms, the API's schema and the checks
cannot come to differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from countersign.registrar.particulars.company import MAX_DIRECTORS, Company, Directors
from countersign.registrar.particulars.fields import Ask, Part
from countersign.registrar.particulars.person import AdminContact, Director, Owner
from countersign.registrar.particulars.server import Directory, Host, Location, OwnerKind


class Step(StrEnum):
    """One page of the application; the values are in URLs."""

    HOST = "host"
    OWNER = "owner"
    COMPANY = "company"
    DIRECTORS = "directors"
    ADMIN_CONTACT = "admin-contact"
    LOCATION = "location"
    DIRECTORY = "directory"
    DOCUMENTS = "documents"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a form."""

    name: str
    """Its key: ``phone``, ``address-line1``; in a repeated group without the group's part."""
    label: str
    hint: str
    kind: str
    """As in :class:`Ask`; the choices of a ``country`` are ``places.countries(language)``."""
    required: bool
    autocomplete: str
    """``off`` where the details are not those of whoever types."""
    max_length: int
    choices: tuple[tuple[str, str], ...]
    group: str
    """The heading that it stands under together with its neighbours; may be empty."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A group of fields that is given several times: ``directors-0-name``, and so on."""

    name: str
    label: str
    minimum: int
    maximum: int

    def field(self, index: int, name: str) -> str:
        """Return the key of a field of the group, the groups counted from 0."""
        return f"{self.name}-{index}-{name}"


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step."""

    step: Step
    title: str
    lead: str
    """A sentence that says what the step is for."""
    kinds: frozenset[OwnerKind]
    """Whom it applies to."""
    model: type[Part] | None = None
    """None: the step has no fields."""
    repeat: Repeat | None = None
    fields: tuple[FieldSpec, ...] = ()

    @property
    def name(self) -> str:
        """The step's name in URLs."""
        return self.step.value

    def field(self, key: str) -> FieldSpec | None:
        """Return the field that a key is of, whichever repetition it is in."""
        if self.repeat is not None:
            head, _, rest = key.partition("-")
            key = rest.partition("-")[2] if head == self.repeat.name else ""
        return next((spec for spec in self.fields if spec.name == key), None)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema (2020-12) of the step's values."""
        return self.model.model_json_schema() if self.model is not None else {"type": "object"}


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a group of fields."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def members_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of each member of a repeated group of fields."""
    kind = next(iter(get_args(field.annotation)), None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _ask_of(field: FieldInfo) -> Ask:
    return next(part for part in field.metadata if isinstance(part, Ask))


def _max_length(model: type[BaseModel], name: str) -> int:
    schema = model.model_json_schema()["properties"][name]
    return int(schema.get("maxLength", 10))


def _fields_of(
    model: type[BaseModel], own: bool, prefix: str = "", group: str = ""
) -> tuple[FieldSpec, ...]:
    specs: list[FieldSpec] = []
    for name, field in model.model_fields.items():
        ask = _ask_of(field)
        section = section_of(field)
        if section is not None:
            specs += _fields_of(section, own, f"{prefix}{name}-", ask.label)
            continue
        specs.append(
            FieldSpec(
                name=prefix + name,
                label=ask.label,
                hint=ask.hint,
                kind=ask.kind,
                required=field.is_required(),
                autocomplete=ask.autocomplete if own and ask.autocomplete else "off",
                max_length=_max_length(model, name),
                choices=ask.choices,
                group=group,
            )
        )
    return tuple(specs)


_ALL = frozenset(OwnerKind)
_INDIVIDUAL, _BUSINESS = frozenset({OwnerKind.INDIVIDUAL}), frozenset({OwnerKind.BUSINESS})


def _form(
    step: Step, title: str, lead: str, kinds: frozenset[OwnerKind], model: type[Part]
) -> StepSpec:
    own = step in (Step.OWNER, Step.COMPANY)
    return StepSpec(step, title, lead, kinds, model, None, _fields_of(model, own))


@lru_cache(maxsize=1)
def all_steps() -> dict[Step, StepSpec]:
    """Return every step, in order."""
    directors = Repeat("directors", "Director", 1, MAX_DIRECTORS)
    specs = (
        _form(Step.HOST, "The server", "The name under which the server sends mail.", _ALL, Host),
        _form(
            Step.OWNER, "The owner", "Who answers for the server. Seen by screeners only.",
            _INDIVIDUAL, Owner,
        ),
        _form(
            Step.COMPANY, "The company", "Which company answers for the server.",
            _BUSINESS, Company,
        ),
        StepSpec(
            Step.DIRECTORS, "Its directors", "All directors. Seen by screeners only.",
            _BUSINESS, Directors, directors, _fields_of(Director, own=False),
        ),
        _form(
            Step.ADMIN_CONTACT, "Admin contact", "Who runs the server and can be reached.",
            _ALL, AdminContact,
        ),
        _form(Step.LOCATION, "Location", "Where the server stands.", _ALL, Location),
        _form(
            Step.DIRECTORY, "Public directory",
            "What everybody may see, to find a provider with a registered server.",
            _ALL, Directory,
        ),
        StepSpec(
            Step.DOCUMENTS, "Documents", "Scans that prove it. Kept encrypted; seen by screeners"
            " only.", _ALL,
        ),
        StepSpec(Step.REVIEW, "Review", "Check everything, then submit it.", _ALL),
    )  # fmt: skip
    return {spec.step: spec for spec in specs}


def steps_for(kind: OwnerKind | None) -> tuple[StepSpec, ...]:
    """Return the steps that apply, in order; None, who owns it is not said yet: those of all."""
    return tuple(
        spec
        for spec in all_steps().values()
        if (spec.kinds == _ALL if kind is None else kind in spec.kinds)
    )
