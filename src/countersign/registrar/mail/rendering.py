"""Letters from templates: plain text, its first line the subject."""

from __future__ import annotations

import functools
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateNotFound

from countersign.protocol.control import control_name, control_text
from countersign.registrar.jobs.kinds import GiveUpError
from countersign.registrar.mail import wording
from countersign.registrar.money.amount import format_amount
from countersign.registrar.money.reference import format_reference, make_reference
from countersign.storage.database.money import Invoice


@functools.cache
def environment() -> Environment:
    """Return the templates' environment."""
    made = Environment(
        loader=PackageLoader("countersign.registrar.mail"),
        autoescape=False,  # noqa: S701 - plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=wording.finalised,
    )
    made.filters.update(
        date=wording.date,
        moment=wording.moment,
        money=format_amount,
        indented=wording.indented,
        reference=_reference,
        control_name=control_name,
        control_text=control_text,
    )
    return made


def render(template: str, facts: dict[str, Any]) -> tuple[str, str]:
    """Return subject and text. Raises :class:`GiveUpError` if there is no such template."""
    names = [f"{template}.txt"]
    if template == "event":
        names = [f"event-{facts['event'].action}.txt", "event-other.txt"]
    try:
        found = environment().select_template(names)
    except TemplateNotFound:
        raise GiveUpError(f"there is no letter named {template[:64]}") from None
    subject, _, text = found.render(facts).strip().partition("\n")
    return wording.subject_of(subject), wording.broken(text)


def _reference(invoice: Invoice) -> str:
    return format_reference(make_reference(invoice.id))
