"""Whether the proof of control is being looked for."""

from __future__ import annotations

from sqlalchemy import select

from countersign.registrar.operations.control import CONTROL
from countersign.registrar.operations.office import Work
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.servers import Server


def look_is_due(work: Work, server: Server) -> bool:
    """Tell whether a look for a server's proof is under way, or about to be."""
    return (
        work.session.scalar(
            select(Job.id)
            .where(
                Job.unique_key.startswith(f"{CONTROL}:{server.id}:", autoescape=True),
                Job.state == JobState.WAITING,
                (Job.worker != "") | (Job.run_at <= work.now),
            )
            .limit(1)
        )
        is not None
    )
