"""How far an application has come: its steps, as the stepper shows them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from countersign.registrar.particulars.draft import Missing, Particulars
from countersign.registrar.particulars.steps import Step, StepSpec, steps_for


@dataclass(frozen=True, slots=True)
class Stage:
    """One step in the stepper."""

    spec: StepSpec
    status: str
    """done, current or coming."""
    url: str
    open: bool
    """Something is missing here."""

    @property
    def label(self) -> str:
        """The step's name."""
        return self.spec.title


def stages(
    base: str, particulars: Particulars, current: Step | None, lacking: Iterable[Missing]
) -> list[Stage]:
    """Return the steps of an application.

    base: address of the server. current: the step that is shown. lacking: all that is missing.
    """
    open_steps = {one.step for one in lacking}
    found = []
    for spec in steps_for(particulars.kind):
        # Which scans are wanted is known only when all other steps are there.
        is_last = spec.step in (Step.DOCUMENTS, Step.REVIEW)
        is_open = spec.step in open_steps or (is_last and bool(open_steps))
        is_done = not is_open and spec.step is not Step.REVIEW
        status = "current" if spec.step is current else "done" if is_done else "coming"
        url = f"{base}/application/{spec.name}" if status != "current" else ""
        found.append(Stage(spec, status, url, is_open))
    return found


def step_after(particulars: Particulars, step: Step) -> Step:
    """Return the step that comes after another; the last one stays."""
    order = [spec.step for spec in steps_for(particulars.kind)]
    place = order.index(step) + 1 if step in order else 0
    return order[min(place, len(order) - 1)]


def first_open(particulars: Particulars, lacking: Iterable[Missing]) -> Step:
    """Return the first step at which something is missing; the review if nothing is."""
    open_steps = {one.step for one in lacking}
    order = [spec.step for spec in steps_for(particulars.kind)]
    return next((step for step in order if step in open_steps), Step.REVIEW)
