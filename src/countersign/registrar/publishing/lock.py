"""The lock that makes publications of all processes one after the other."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from countersign.registrar.operations.office import Work
from countersign.storage.database.publication import Fact

_NAME = "zone"
_FORM = "form"


def take_lock(work: Work) -> Fact:
    """Wait for the lock, and hold it until the transaction ends.

    What was committed before is visible to any view that is opened after this. On SQLite all
    transactions that write are one after the other in any case.
    """
    statement = select(Fact).where(Fact.name == _NAME).with_for_update()
    fact = work.session.scalar(statement)
    if fact is None:
        _make_row(work)
        fact = work.session.scalars(statement).one()
    return fact


def note_form(fact: Fact, form: str) -> None:
    """Note that the zone is being made anew in a form."""
    fact.value = {_FORM: form}


def known_form(work: Work) -> str:
    """Return the form that the zone was last made anew in; see `image.form_of`. Empty: none."""
    fact = work.session.get(Fact, _NAME)
    return str(fact.value.get(_FORM, "")) if fact is not None else ""


def _make_row(work: Work) -> None:
    insert = (
        sqlite.insert if work.session.get_bind().dialect.name == "sqlite" else postgresql.insert
    )
    # Of two that come first at the same time the second waits here for the first one's end.
    work.session.execute(insert(Fact).values(name=_NAME, value={}).on_conflict_do_nothing())
