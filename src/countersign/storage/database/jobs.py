"""The outbox: work that a transaction ordered, done after it by a worker (DESIGN §6)."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from countersign.storage.database.base import Base, Key, Text32, Text64, Text255, enum_column


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    """To be done at ``run_at``; if ``worker`` is set, one is at it until then."""
    DONE = "done"
    FAILED = "failed"
    """Given up: a person must look."""


class Job(Base):
    """One thing to do. Written in the transaction that orders it."""

    __tablename__ = "job"

    id: Mapped[Key]
    kind: Mapped[Text32]
    payload: Mapped[dict[str, Any]]
    unique_key: Mapped[Text255 | None] = mapped_column(unique=True)
    """The same key is ordered once, for ever."""
    state: Mapped[JobState] = mapped_column(enum_column(JobState), default=JobState.WAITING)
    run_at: Mapped[datetime.datetime]
    """Not before; while a worker is at it: the end of its lease."""
    worker: Mapped[Text64] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime.datetime]
    ended_at: Mapped[datetime.datetime | None]
    error: Mapped[Text255] = mapped_column(default="")

    __table_args__ = (Index("ix_job_due", "state", "run_at", "id"),)
