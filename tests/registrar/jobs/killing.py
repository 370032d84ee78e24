"""Worker processes to be killed, and a story of servers that gives them something to do."""

from __future__ import annotations

import contextlib
import datetime
import multiprocessing
import random
import signal
from dataclasses import replace
from multiprocessing.process import BaseProcess
from typing import Any

from sqlalchemy import select

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.documents.text import Kind, current
from countersign.registrar.jobs import queue, worker
from countersign.registrar.jobs.handlers import KINDS
from countersign.registrar.jobs.kinds import Kind as JobKind
from countersign.registrar.jobs.kinds import Lane
from countersign.registrar.jobs.queue import Task
from countersign.registrar.jobs.worker import Workers
from countersign.registrar.operations import forfeitures, sanctions
from countersign.registrar.operations.counts import count_month
from countersign.registrar.operations.office import SYSTEM, Office, OperationError, Work
from countersign.registrar.operations.transitions import move
from countersign.registrar.state import database_url, keyring_file
from countersign.registrar.vault.keyring import Keyring
from countersign.rules.life_cycle import Action, State
from countersign.storage.database.engine import Database
from countersign.storage.database.promises import ContractAcceptance
from countersign.storage.database.servers import ApplicantKind, Server, TestRun
from tests.registrar.operations import treasury
from tests.registrar.operations.life import a_hostname, make_account

COUNTED = "counted"
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


def _count(work: Work, _task: Task, _result: Any) -> None:
    """Do something that would be seen if it were done twice: no operation is as careless."""
    count_month(work, COUNTED)


def start_worker(config: RegistrarConfig, *, is_first_of_its_host: bool) -> BaseProcess:
    """Start a worker process; its modules are loaded already, so that it works at once.

    is_first_of_its_host: it frees what dead ones held, as a restart does; else their leases must
    run out.
    """
    process = _context.Process(target=_work, args=(config, is_first_of_its_host), daemon=True)
    process.start()
    return process


def _work(config: RegistrarConfig, is_first_of_its_host: bool) -> None:
    queue.FIRST_PAUSE = 0.2
    if not is_first_of_its_host:
        worker._release_the_dead = lambda _office: None
    office = Office(config, Database(database_url(config)), Keyring(keyring_file(config)))
    # What takes long is killed more often here than it would be tried.
    kinds = {name: replace(kind, attempts=10_000) for name, kind in KINDS.items()}
    kinds[COUNTED] = JobKind(Lane.PROMPT, conclude=_count)
    with Workers(office, kinds, threads=1):
        signal.pause()


class Story:
    """Servers that go through their lives, one step at a time."""

    def __init__(self, office: Office, seed: int) -> None:
        self.office = office
        self.draw = random.Random(seed)
        self.steps = 0
        self.forfeitures = 0

    def go_on(self) -> None:
        """Make one step with some server, or begin with another one."""
        self.steps += 1
        with self.office.work() as work:
            work.order(COUNTED, {})
        with self.office.reading() as work:
            servers = work.session.scalars(
                select(Server).where(Server.state.not_in([State.WITHDRAWN, State.TESTED]))
            ).all()
        if len(servers) < 4 or self.draw.random() < 0.2:
            self._pass_test()
            return
        server = self.draw.choice(servers)
        steps = {
            State.OFFERED: self._take_offer,
            State.ACTIVE: self._suspend,
            State.SUSPENDED: self._decide,
        }
        # A worker may be first: it forfeits a bond, say.
        with contextlib.suppress(OperationError):
            steps[server.state](server.id)

    def _pass_test(self) -> None:
        owner = make_account(self.office)
        with self.office.work() as work:
            server = Server(
                hostname=a_hostname(),
                state=State.SCREENED,
                state_since=work.now,
                owner_id=owner,
                kind=ApplicantKind.INDIVIDUAL,
                created_at=work.now,
                submitted_at=work.now,
                domain_registered_on=work.today - datetime.timedelta(days=30),
            )
            work.session.add(server)
            work.session.flush()
            run = TestRun(
                server_id=server.id, cause="application", asked_at=work.now, ended_at=work.now
            )
            run.verdict, run.result = "passed", {}
            work.session.add(run)
            work.session.flush()
            move(work, server, Action.PASS_TEST, SYSTEM)

    def _take_offer(self, server_id: int) -> None:
        with self.office.work() as work:
            # As it is stored, without the second that setting it in type takes.
            work.session.add(
                ContractAcceptance(
                    server_id=server_id,
                    account_id=work.session.get_one(Server, server_id).owner_id,
                    kind=str(Kind.REGISTRATION_CONTRACT),
                    version=current(Kind.REGISTRATION_CONTRACT),
                    text_hash="",
                    pdf=b"",
                    pdf_hash="",
                    accepted_at=work.now,
                )
            )
        treasury.pay_all(self.office, server_id)

    def _suspend(self, server_id: int) -> None:
        if self.draw.random() < 0.2:
            treasury.withdraw(self.office, server_id)
            return
        actor = treasury.adjudicator(self.office)
        with self.office.work() as work:
            server = work.session.get_one(Server, server_id)
            sanctions.suspend(work, actor, server, reason="Report.", public_reason="bulk mail")
            if self.draw.random() < 0.5:
                # There is no time to reply here: a job makes it at once.
                forfeitures.propose(
                    work, actor, server, amount=1000, reason="Report.", offence_on=work.today
                )
                self.forfeitures += 1

    def _decide(self, server_id: int) -> None:
        treasury.pay_all(self.office, server_id)
        actor = treasury.adjudicator(self.office)
        with self.office.work() as work:
            server = work.session.get_one(Server, server_id)
            sanctions.reinstate(work, actor, server, "Done.")
