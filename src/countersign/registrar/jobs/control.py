"""The job that looks for the proof that an applicant controls the host."""

from __future__ import annotations

from countersign.registrar.control_proof import Sight, look_for_proof
from countersign.registrar.jobs.kinds import GiveUpError
from countersign.registrar.jobs.queue import Task
from countersign.registrar.operations import control
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import Office, Work
from countersign.rules.life_cycle import ENDED
from countersign.storage.database.servers import Server


def look(office: Office, task: Task) -> Sight | None:
    """Look for the proof; None: there is nothing to look for any more."""
    with office.reading() as work:
        server = _server(work, task)
        hostname, token = server.hostname, server.control_token
        if not _is_wanted(server) or not token:
            return None
    return look_for_proof(hostname, token, office.config.certification)


def record(work: Work, task: Task, sight: Sight | None) -> None:
    """Store what was seen, and do what follows from it."""
    server = _server(work, task)
    hold(work, server)
    if sight is None or not _is_wanted(server):
        return
    if sight.hostname != server.hostname:
        # The draft has another name by now: what was seen is of no account.
        control.order_check(work, server)
        return
    control.record_look(work, server, sight.words)
    if sight.proof is not None:
        control.record_proof(work, server, sight.proof.method, evidence=sight.proof.evidence)
    elif not sight.is_certain:
        control.repeat_check(work, server, int(task.payload.get("repetition", 0)))


def _is_wanted(server: Server) -> bool:
    return not control.is_proven(server) and server.state not in ENDED


def _server(work: Work, task: Task) -> Server:
    server = work.session.get(Server, task.payload["server"])
    if server is None:
        raise GiveUpError("there is no such server")
    return server
