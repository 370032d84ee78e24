"""Bring a server to any state quickly, with valid particulars and by the real operations.

    server_id = make_active(office, hostname="mail.muller.com.au")

Each function does what the ones before it do, and returns the server's key. `people` of an
office (its screener, treasurer, …) are made when they are first needed.
"""

from __future__ import annotations

import datetime
import io
import itertools
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from PIL import Image
from sqlalchemy import select

from countersign.registrar.domain_age import Found
from countersign.registrar.operations import contacts, domain_ages, screenings
from countersign.registrar.operations.applications import begin, save_step, submit
from countersign.registrar.operations.documents_of import attach
from countersign.registrar.operations.dossier import load, unconfirmed_contacts
from countersign.registrar.operations.offers import make_offer
from countersign.registrar.operations.office import Actor, Office, Work
from countersign.registrar.operations.test_results import record_result
from countersign.registrar.operations.tokens import make_token
from countersign.registrar.operations.transitions import move
from countersign.registrar.particulars.documents import documents_wanted
from countersign.registrar.particulars.steps import Step
from countersign.registrar.uploads.checking import check_upload
from countersign.registrar.uploads.upload import Upload
from countersign.rules.life_cycle import Action, State
from countersign.rules.roles import Role
from countersign.rules.screening import Verdict
from countersign.storage.database.accounts import Account, AccountRole
from countersign.storage.database.jobs import Job
from countersign.storage.database.servers import ApplicantKind, Server, TestRun
from tests.registrar.particulars import examples

OWNER_EMAIL = "zoe@muller.com.au"
_numbers = itertools.count(1)


def make_account(
    office: Office, email: str = "", *roles: Role, name: str = "", confirmed: bool = True
) -> int:
    """Return an account with some roles; the one with this address if there is one."""
    address = email or f"person{next(_numbers)}@muller.com.au"
    with office.work() as work:
        known = work.session.scalar(select(Account).where(Account.email == address))
        if known is not None:
            return known.id
        account = Account(
            email=address,
            name=name or address.partition("@")[0].title(),
            password_hash="",
            created_at=work.now,
            email_confirmed_at=work.now if confirmed else None,
        )
        work.session.add(account)
        work.session.flush()
        for role in roles:
            work.session.add(
                AccountRole(account_id=account.id, role=role, granted_at=work.now, granted_by=None)
            )
        return account.id


def configured(office: Office, **changes: Any) -> Office:
    """Return the office with other settings, e.g. ``screening={"automatic": True}``."""
    settings = {
        name: getattr(office.config, name).model_copy(update=value)
        if isinstance(value, dict)
        else value
        for name, value in changes.items()
    }
    return replace(office, config=office.config.model_copy(update=settings))


def staff(office: Office, role: Role) -> Actor:
    """Return a member of staff: one account for each role."""
    return Actor(role, make_account(office, f"{role}@registrar.com.au", role))


def a_hostname() -> str:
    """Return a host name that no other server has."""
    return f"mail{next(_numbers)}.muller.com.au"


@lru_cache(maxsize=8)
def a_scan(shade: int = 200) -> Upload:
    """Return a scan that was checked and cleaned; another one for each shade."""
    file = io.BytesIO()
    Image.new("L", (120, 80), shade).save(file, "PNG")
    return check_upload(file.getvalue())


def forms(kind: ApplicantKind = ApplicantKind.INDIVIDUAL) -> dict[Step, Mapping[str, str]]:
    """Return forms that fill an application in, all but its first step."""
    every = (
        examples.INDIVIDUAL_FORMS if kind is ApplicantKind.INDIVIDUAL else examples.BUSINESS_FORMS
    )
    return {step: form for step, form in every.items() if step is not Step.HOST}


def make_draft(
    office: Office,
    *,
    hostname: str = "",
    owner: int | None = None,
    agent: int | None = None,
    kind: ApplicantKind = ApplicantKind.INDIVIDUAL,
    steps: Mapping[Step, Mapping[str, str]] | None = None,
    complete: bool = True,
) -> int:
    """Begin an application, by an agent if one is given; complete: fill it in, with scans.

    steps: forms that take the place of the usual ones.
    """
    owner_id = owner if owner is not None else make_account(office, OWNER_EMAIL)
    with office.work() as work:
        owner_account = work.session.get_one(Account, owner_id)
        applicant = Actor(Role.OWNER, owner_id) if agent is None else Actor(Role.AGENT, agent)
        server = begin(
            work,
            applicant,
            hostname or a_hostname(),
            kind,
            owner_email="" if agent is None else owner_account.email,
            owner_name=owner_account.name,
        )
    if complete:
        fill_in(office, server.id, steps=steps)
    return server.id


def fill_in(
    office: Office, server_id: int, *, steps: Mapping[Step, Mapping[str, str]] | None = None
) -> None:
    """Fill an application in and attach all scans."""
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        for step, form in {**forms(server.kind), **(steps or {})}.items():
            result = save_step(work, applicant_of(server), server, step, form, is_form=True)
            assert result.ok, result.errors
        for wish in documents_wanted(load(work, server.id)):
            attach(
                work,
                applicant_of(server),
                server,
                kind=wish.kinds[0],
                subject=wish.subject,
                upload=a_scan(),
            )


def applicant_of(server: Server) -> Actor:
    """Return who fills an application in."""
    if server.agent_id is not None:
        return Actor(Role.AGENT, server.agent_id)
    return Actor(Role.OWNER, server.owner_id)


def mailed_tokens(office: Office, server_id: int) -> list[str]:
    """Return the tokens that were mailed to the contacts of a server, as the letters have them."""
    with office.reading() as work:
        letters = work.session.scalars(select(Job).where(Job.kind == "mail").order_by(Job.id))
        mine = [
            letter.payload
            for letter in letters
            if letter.payload["template"] == contacts.PURPOSE
            and _server_of(work, letter.payload["confirmation"]) == server_id
        ]
        return [make_token(office.keyring, contacts.PURPOSE, one["nonce"]) for one in mine]


def _server_of(work: Work, confirmation_id: int) -> int:
    found = work.session.get_one(contacts.ContactConfirmation, confirmation_id)
    return found.server_id


def confirm_contacts(office: Office, server_id: int) -> None:
    """Follow every link that was mailed to a contact."""
    for token in mailed_tokens(office, server_id):
        with office.work() as work:
            contacts.confirm(work, token)
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        assert unconfirmed_contacts(work, server) == []


def make_submitted(office: Office, **how: Any) -> int:
    """Submit a complete application; see :func:`make_draft`."""
    server_id = make_draft(office, **how)
    confirm_contacts(office, server_id)
    hand_in(office, server_id)
    return server_id


def hand_in(office: Office, server_id: int) -> None:
    """Submit an application; its host name is in the DNS."""
    with office.reading() as work:
        applicant = applicant_of(work.session.get_one(Server, server_id))
    submit(office, applicant, server_id, lambda _name: True)


def make_compared(
    office: Office, *, registered_on: datetime.date | None = datetime.date(2015, 6, 1), **how: Any
) -> int:
    """Compare an applicant with the offenders; registered_on: what the registry says, if so."""
    server_id = make_submitted(office, **how)
    compare(office, server_id)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        if registered_on is not None:
            found = Found(server.hostname, registered_on, "https://rdap.example/domain/x", ())
            domain_ages.record_finding(work, server, found)
    return server_id


def compare(office: Office, server_id: int) -> None:
    """Do the job that a submission orders."""
    comparison = screenings.compare_with_offenders(office, server_id)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        screenings.record_comparison(work, server, comparison)


def make_screened(office: Office, *, verdict: Verdict = Verdict.CLEAN, **how: Any) -> int:
    """Let a screener clear an application."""
    server_id = make_compared(office, **how)
    screener = staff(office, Role.SCREENER)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        server.control_proven_at, server.control_method = work.now, "dns"
        work.session.flush()
        screenings.decide(
            work, screener, server, verdict, reason="Seen.", seen_version=server.version
        )
    return server_id


def make_tested(office: Office, **how: Any) -> int:
    """Let a server pass its relay test."""
    server_id = make_screened(office, **how)
    pass_test(office, server_id)
    return server_id


def pass_test(office: Office, server_id: int) -> None:
    """End the run that is ordered for a server: passed."""
    with office.work() as work:
        run = work.session.scalars(
            select(TestRun).where(TestRun.server_id == server_id).order_by(TestRun.id.desc())
        ).first()
        assert run is not None
        record_result(work, run, "passed", {})


def make_offered(office: Office, **how: Any) -> int:
    """Make a server the offer that follows a passed test."""
    server_id = make_tested(office, **how)
    with office.work() as work:
        make_offer(work, work.session.get_one(Server, server_id))
    return server_id


def make_active(office: Office, **how: Any) -> int:
    """Let the owner of a server accept the contract and pay what is asked: it may send."""
    # These make servers of their own with what is here.
    from tests.registrar.operations.treasury import accept_contract, pay_all

    server_id = make_offered(office, **how)
    accept_contract(office, server_id)
    pay_all(office, server_id)
    with office.reading() as work:
        assert work.session.get_one(Server, server_id).state is State.ACTIVE
    return server_id


def make_suspended(office: Office, *, reason: str = "Spam was sent.", **how: Any) -> int:
    """Suspend an active server, by the life cycle alone."""
    server_id = make_active(office, **how)
    adjudicator = staff(office, Role.ADJUDICATOR)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        move(work, server, Action.SUSPEND, adjudicator, reason=reason)
    return server_id
