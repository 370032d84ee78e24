"""What a kind of job is: what is done outside any transaction, and what is stored after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from countersign.registrar.jobs.queue import Task
from countersign.registrar.operations.office import Office, Work


class Lane(StrEnum):
    """Who does a job: each lane has threads of its own, so that none waits for a slower one."""

    PROMPT = "prompt"
    """What is done in the database, or in a file here."""
    MAIL = "mail"
    """What waits for a mail server."""
    LONG = "long"
    """What waits for foreign hosts, or goes through all servers."""


class JobError(Exception):
    """A job that was not done; the message is for staff, and names no person."""


class TryLaterError(JobError):
    """It may go well another time."""

    def __init__(self, text: str, seconds: float | None = None) -> None:
        """seconds: how long to wait; None: the usual pause, longer each time."""
        super().__init__(text)
        self.seconds = seconds


class GiveUpError(JobError):
    """It will never go well."""


Act = Callable[[Office, Task], Any]
"""Does what reaches beyond the database, and returns what is to be stored. It may be done again
after a crash, and must then make no difference."""
Conclude = Callable[[Work, Task, Any], None]
"""Stores the result of the act (None: there is none), in the transaction that ends the job."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job."""

    lane: Lane
    act: Act | None = None
    conclude: Conclude | None = None
    attempts: int = 12
    """After so many it is given up: 12 take about three hours."""
