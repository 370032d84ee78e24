"""An application's particulars as they grow, step by step. Values; nothing is changed in place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from pydantic import Field

from countersign.registrar.particulars.company import Company, Directors
from countersign.registrar.particulars.fields import STORED, Checks, Part
from countersign.registrar.particulars.parsing import StepResult, flatten_part, parse_step
from countersign.registrar.particulars.person import AdminContact, Owner
from countersign.registrar.particulars.server import Directory, Host, Location, OwnerKind
from countersign.registrar.particulars.steps import Step, StepSpec, steps_for


class Particulars(Part):
    """All that an application says; each step None until it has been saved without errors."""

    version: Literal[1] = 1
    host: Host | None = None
    owner: Owner | None = None
    company: Company | None = None
    directors: Directors | None = None
    admin_contact: AdminContact | None = None
    location: Location | None = None
    directory: Directory | None = None
    unfinished: dict[Step, dict[str, str]] = Field(default_factory=dict)
    """What was entered at steps that were put aside with errors."""

    @property
    def kind(self) -> OwnerKind | None:
        """Who owns the server, if that has been said."""
        return self.host.kind if self.host is not None else None

    @property
    def hostname(self) -> str:
        """The host's name; empty if it has not been said."""
        return self.host.hostname if self.host is not None else ""

    def part(self, step: Step) -> Part | None:
        """Return what a step was saved with."""
        part = getattr(self, _attribute(step), None)
        return part if isinstance(part, Part) else None


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that has to be done before the application can be submitted."""

    step: Step
    field: str
    """The field's key; empty for the step as a whole."""
    text: str


def serialise(particulars: Particulars) -> dict[str, Any]:
    """Return particulars as JSON has them."""
    return particulars.model_dump(mode="json")


def deserialise(data: dict[str, Any]) -> Particulars:
    """Return the particulars that :func:`serialise` wrote.

    They are not checked anew. Raises :class:`ValueError` for what it did not write.
    """
    return Particulars.model_validate(data, context=STORED)


def save_step(particulars: Particulars, result: StepResult) -> Particulars:
    """Return the particulars with a step's new values, or with it put aside if it has errors.

    What is no longer asked for (the company's details, when the owner turns out to be a person)
    is dropped.
    """
    unfinished = {
        step: entered for step, entered in particulars.unfinished.items() if step != result.step
    }
    if result.values is None:
        unfinished[result.step] = result.entered
    changes: dict[str, Any] = {_attribute(result.step): result.values}
    if isinstance(result.values, Host):
        wanted = {spec.step for spec in steps_for(result.values.kind)}
        unfinished = {step: entered for step, entered in unfinished.items() if step in wanted}
        for step in (Step.OWNER, Step.COMPANY, Step.DIRECTORS):
            if step not in wanted:
                changes[_attribute(step)] = None
    return particulars.model_copy(update={**changes, "unfinished": unfinished})


def form_values(particulars: Particulars, step: Step) -> dict[str, str]:
    """Return what a step's form is to show, by the fields' keys."""
    if step in particulars.unfinished:
        return particulars.unfinished[step]
    part = particulars.part(step)
    return flatten_part(part) if part is not None else {}


def missing(particulars: Particulars, checks: Checks) -> list[Missing]:
    """Return all that keeps the application from being complete; documents aside."""
    faults: list[Missing] = []
    for spec in steps_for(particulars.kind):
        if spec.model is not None and particulars.part(spec.step) is None:
            faults += _faults(particulars, spec, checks)
    return faults


def is_complete(particulars: Particulars) -> bool:
    """Tell whether every step that applies has been saved without errors; documents aside."""
    return particulars.kind is not None and all(
        spec.model is None or particulars.part(spec.step) is not None
        for spec in steps_for(particulars.kind)
    )


def checks_for(particulars: Particulars, today: date, *, allow_reserved: bool = False) -> Checks:
    """Return the checks to parse an application's steps with."""
    return Checks(today, allow_reserved, default_country(particulars))


def default_country(particulars: Particulars) -> str:
    """Return where telephone numbers without country code are; empty if nothing says it."""
    parts = (particulars.owner, particulars.company, particulars.location)
    return next((part.address.country for part in parts if part is not None), "")


def _faults(particulars: Particulars, spec: StepSpec, checks: Checks) -> list[Missing]:
    entered = particulars.unfinished.get(spec.step)
    if entered is None:
        return [Missing(spec.step, "", f"Fill in '{spec.title}'.")]
    errors = parse_step(spec.step, entered, checks).errors
    # What was wrong may have come right since, such as a date.
    return [Missing(spec.step, field, text) for field, text in errors.items()] or [
        Missing(spec.step, "", f"Save '{spec.title}' again.")
    ]


def _attribute(step: Step) -> str:
    return step.value.replace("-", "_")
