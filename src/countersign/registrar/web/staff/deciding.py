"""Decisions of staff: the form, what would follow, the word to confirm, and then the deed.

A page with a form and what it posts to have one path. The first time the form comes, its decision
is rehearsed, and what would follow is shown; the second time it is made. Nothing of it needs a
script. The form carries the version that was seen (`seen_version`), and the last event
(`seen_event`): whoever comes too late is told who has decided in the meantime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from countersign.registrar.operations.office import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.registrar.operations.rehearsal import rehearse
from countersign.registrar.queries import timelines
from countersign.registrar.web import event_words
from countersign.registrar.web.forms import MalformedError
from countersign.registrar.web.staff.consequences import sentences
from countersign.registrar.web.visit import Visit

_OWN_FIELDS = frozenset({"csrf_token", "confirmed", "again"})

Errors = dict[str, str]
Act = Callable[[Work], str]
"""Makes the decision; returns what to say when it is made."""


@dataclass(frozen=True, slots=True)
class Question:
    """A decision that somebody is about to make."""

    title: str
    """As a question: 'Suspend mail.example.com?'"""
    button: str
    """What confirms it: 'Suspend'."""
    back: str
    """The page where one goes afterwards, or instead."""
    trail: Sequence[tuple[str, str]] = ()
    """Breadcrumb: label and address of each page above."""
    summary: Sequence[tuple[str, object]] = ()
    """What was entered, as (label, value)."""
    kind: str = ""
    """'danger' for what cannot be undone, or hurts."""
    server_id: int | None = None


def decide(
    visit: Visit, question: Question, act: Act, show_form: Callable[[Errors], Response]
) -> Response:
    """Show what would follow from a form, or do it if that was confirmed.

    show_form: shows the form again with what was entered; it gets the errors by field.
    """
    form = visit.form
    if form.ticked("again"):
        return show_form({})
    try:
        if not form.ticked("confirmed"):
            return _ask(visit, question, act)
        with visit.work() as work:
            said = act(work)
    except ConflictError as error:
        return conflict(visit, question, error)
    except (ForbiddenError, NotFoundError, MalformedError):
        raise
    except OperationError as error:
        return show_form({"": str(error)})
    visit.flash(said)
    return visit.redirect(question.back)


def _ask(visit: Visit, question: Question, act: Act) -> Response:
    consequences = rehearse(visit.office, act)
    fields = [
        (name, value)
        for name, values in visit.form.values.items()
        if name not in _OWN_FIELDS
        for value in values
    ]
    return visit.render(
        "staff/confirm.html",
        action=visit.request.url.path,
        question=question,
        follows=sentences(consequences),
        fields=fields,
    )


def conflict(visit: Visit, question: Question, error: ConflictError) -> Response:
    """Show that somebody else was first: who, what, and why."""
    server_id, seen = question.server_id, visit.form.integer("seen_event")
    happened: Sequence[timelines.Happened] = ()
    if server_id is not None and seen:
        with visit.reading() as work:
            happened = timelines.since(work, server_id, seen)
    return visit.render(
        "staff/conflict.html",
        code=409,
        question=question,
        error=_with_name(str(error), happened),
        happened=happened,
        words=event_words,
    )


def _with_name(text: str, happened: Sequence[timelines.Happened]) -> str:
    """Return why a decision was not made, with the name of whoever was first if it is known."""
    if not happened or happened[0].event.account_id is None:
        return text
    return text.replace("Somebody else", f"{happened[0].who},", 1)


def seen_version(visit: Visit) -> int:
    """Return the version that the decision is about. Raises :class:`MalformedError`."""
    version = visit.form.integer("seen_version", low=1)
    if not version:
        raise MalformedError("The form does not say which state it was made for: load it again.")
    return version
