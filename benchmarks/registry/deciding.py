"""The registrar's service without its website: workers, and the primary as its child.

It makes decisions as the website does, in its own process, when told by a line on its standard
input, "suspend KEY" or "reinstate KEY", and answers with the moment of the commit (seconds of the
monotonic clock, which is one for all processes).

Usage: python -m benchmarks.registry.deciding CONFIG
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.registrar.operations import life

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.jobs.handlers import KINDS
from countersign.registrar.jobs.worker import Workers
from countersign.registrar.opening import open_office
from countersign.registrar.operations import sanctions
from countersign.registrar.operations.office import Actor, Office
from countersign.registrar.primary.inside import PrimaryProcess
from countersign.registrar.publishing.publisher import ensure_published
from countersign.rules.roles import Role
from countersign.settings.file import load_config
from countersign.settings.log import configure_log
from countersign.storage.database.servers import Server


def main() -> None:
    config = load_config(Path(sys.argv[1]), RegistrarConfig)
    configure_log(config.log)
    office = open_office(config)
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    ensure_published(office)
    with PrimaryProcess(office.config), Workers(office, KINDS):
        print("ready", flush=True)
        for line in sys.stdin:
            verb, _, key = line.strip().partition(" ")
            _decide(office, adjudicator, verb, int(key))
            print(time.monotonic(), flush=True)
    office.database.close()


def _decide(office: Office, adjudicator: Actor, verb: str, key: int) -> None:
    with office.work() as work:
        server = work.session.get_one(Server, key)
        if verb == "suspend":
            public = "Spam was sent from it."
            sanctions.suspend(work, adjudicator, server, reason="Seen.", public_reason=public)
        else:
            server.remedy_done_at = work.now
            sanctions.reinstate(work, adjudicator, server, "It is well again.")


if __name__ == "__main__":
    main()
