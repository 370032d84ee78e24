"""Applications: begun, filled in step by step, submitted, withdrawn, returned (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from countersign.registrar.operations.access import require
from countersign.registrar.operations.contacts import ask_where_needed, link_admin_account
from countersign.registrar.operations.control import forget_proof
from countersign.registrar.operations.counts import count_created
from countersign.registrar.operations.deeds import Deed
from countersign.registrar.operations.deregistration import refuse_while_proposed
from countersign.registrar.operations.documents_of import remove_all
from countersign.registrar.operations.dossier import checks, load, save
from countersign.registrar.operations.invitations import find_or_invite
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    Office,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.operations.public_details import copy_public_details
from countersign.registrar.operations.transitions import add_event, check_version, move
from countersign.registrar.particulars.draft import Particulars
from countersign.registrar.particulars.draft import save_step as with_step
from countersign.registrar.particulars.extracts import subjects
from countersign.registrar.particulars.parsing import StepResult, parse_form, parse_step
from countersign.registrar.particulars.server import Host
from countersign.registrar.particulars.steps import Step
from countersign.registry.dns_client import ResolutionFailedError
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, LIVE, Action, State
from countersign.rules.roles import Role
from countersign.storage.database.servers import ApplicantKind, Server

DRAFTS = 20
"""Open drafts of one owner; of one agent so many times as many."""
DRAFTS_OF_AGENT = 500
_TAKEN = "This host name is registered already, or an application for it is under way."
_ONLY_IN_DRAFT = frozenset({Step.HOST})
_CHANGEABLE = LIVE - {State.SUBMITTED}
"""Beside drafts. While a screener looks at it an application stands still."""


def begin(
    work: Work,
    actor: Actor,
    hostname: str,
    kind: ApplicantKind,
    *,
    owner_email: str = "",
    owner_name: str = "",
) -> Server:
    """Begin an application: a draft, with its first step saved.

    owner_email, owner_name: for whom an agent applies; whoever has no account is invited.
    Raises :class:`OperationError`, with what to do.
    """
    answers = {"hostname": hostname, "kind": str(kind)}
    result = parse_step(Step.HOST, answers, checks(work, Particulars()))
    host = result.values
    if not isinstance(host, Host):
        raise OperationError(" ".join(result.errors.values()))
    owner_id, agent_id = _parties(work, actor, owner_email, owner_name)
    _check_number_of_drafts(work, owner_id, agent_id)
    _check_free(work, host.hostname)
    server = Server(
        hostname=host.hostname,
        state=State.DRAFT,
        state_since=work.now,
        owner_id=owner_id,
        agent_id=agent_id,
        kind=kind,
        created_at=work.now,
    )
    work.session.add(server)
    work.session.flush()
    save(work, server.id, with_step(Particulars(), result))
    count_created(work)
    add_event(work, server, Deed.BEGUN, actor)
    ask_where_needed(work, actor, server)
    return server


def _parties(work: Work, actor: Actor, email: str, name: str) -> tuple[int, int | None]:
    if actor.role is Role.OWNER:
        return account_of(actor), None
    if actor.role is not Role.AGENT:
        raise ForbiddenError("Owners and accredited agents begin applications.")
    return find_or_invite(work, email, name).id, account_of(actor)


def _check_number_of_drafts(work: Work, owner_id: int, agent_id: int | None) -> None:
    mine = Server.owner_id == owner_id if agent_id is None else Server.agent_id == agent_id
    drafts = work.session.scalar(
        select(func.count()).where(mine, Server.state == State.DRAFT).select_from(Server)
    )
    if int(drafts or 0) >= (DRAFTS if agent_id is None else DRAFTS_OF_AGENT):
        raise OperationError("You have too many open drafts: submit or withdraw some first.")


def _check_free(work: Work, hostname: str) -> None:
    taken = work.session.scalar(
        select(Server.id).where(Server.hostname == hostname, Server.state.in_(LIVE)).limit(1)
    )
    if taken is not None:
        raise OperationError(_TAKEN)


def save_step(
    work: Work, actor: Actor, server: Server, step: Step, data: Mapping[str, Any], *, is_form: bool
) -> StepResult:
    """Save a step of an application and return what came of it.

    A draft keeps a step with errors too, put aside; later nothing is saved then. is_form: flat
    text of an HTML form; else nested or flat values. Raises :class:`OperationError` where the
    step may not be changed any more.
    """
    require(actor, Permission.EDIT_APPLICATION)
    # Held, so that nothing changes between the check of an application and its submission.
    hold(work, server)
    _check_may_change(server, step)
    before = load(work, server.id)
    parse = parse_form if is_form else parse_step
    result = parse(step, data, checks(work, before))
    is_draft = server.state is State.DRAFT
    if not result.ok and not is_draft:
        return result
    after = with_step(before, result)
    if not is_draft and _who(before) != _who(after):
        raise OperationError(
            "Names, birth dates and identity numbers are fixed once they have been checked. For "
            "another owner or director write to the registrar."
        )
    if isinstance(result.values, Host):
        _name(work, server, result.values)
    save(work, server.id, after)
    copy_public_details(work, server, after)
    if result.ok:
        link_admin_account(work, server)
        ask_where_needed(work, actor, server)
    if not is_draft and after != before:
        add_event(work, server, Deed.CHANGED, actor, details={"step": str(step)})
    work.session.flush()
    return result


def _check_may_change(server: Server, step: Step) -> None:
    if server.state in ENDED:
        raise OperationError("This application has ended.")
    if server.state is not State.DRAFT and server.state not in _CHANGEABLE:
        raise OperationError("The application is being checked and cannot be changed now.")
    if server.state is not State.DRAFT and step in _ONLY_IN_DRAFT:
        raise OperationError("The host name is fixed once the application was submitted.")


def _who(particulars: Particulars) -> set[tuple[Any, ...]]:
    """Return what screening went by; the admin contact may be somebody else later."""
    return {
        (subject.name, subject.birth_date, subject.numbers)
        for subject in subjects(particulars)
        if subject.role != "admin-contact"
    }


def _name(work: Work, server: Server, host: Host) -> None:
    if host.hostname != server.hostname:
        _check_free(work, host.hostname)
        server.hostname, server.in_dns_at = host.hostname, None
        forget_proof(work, server)
    server.kind = ApplicantKind(str(host.kind))


def submit(
    office: Office,
    actor: Actor,
    server_id: int,
    has_address: Callable[[str], bool],
    *,
    seen_version: int | None = None,
) -> None:
    """Ask the DNS for the host name, outside any transaction, and hand the application in.

    has_address: see `dns_presence.has_address`. Raises :class:`OperationError` with all that is
    missing.
    """
    require(actor, Permission.EDIT_APPLICATION)
    with office.reading() as work:
        seen = work.session.get_one(Server, server_id)
        if seen.state is not State.DRAFT:
            raise OperationError("The application has been submitted already.")
    try:
        is_in_dns = has_address(seen.hostname)
    except ResolutionFailedError:
        raise OperationError(
            "The DNS does not answer for the host name just now: try it again in some minutes."
        ) from None
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        hold(work, server)
        if server.hostname != seen.hostname:
            raise ConflictError("The host name has been changed in the meantime.")
        check_version(server, seen_version)
        server.in_dns_at = work.now if is_in_dns else None
        hand_in(work, actor, server)


def hand_in(work: Work, actor: Actor, server: Server) -> None:
    """Submit an application whose host name has just been asked for in the DNS.

    Raises :class:`OperationError` with all that is missing.
    """
    hold(work, server)
    _check_free(work, server.hostname)
    server.submitted_at = work.now
    try:
        move(work, server, Action.SUBMIT, actor)
    except IntegrityError as error:
        if "hostname" not in str(error.orig):
            raise
        # Somebody submitted the same name at the same moment.
        raise OperationError(_TAKEN) from None


def withdraw(
    work: Work, actor: Actor, server: Server, *, reason: str = "", seen_version: int | None = None
) -> None:
    """End an application or registration at the owner's wish; a draft's scans are removed."""
    refuse_while_proposed(work, server)
    was_draft = server.state is State.DRAFT
    move(work, server, Action.WITHDRAW, actor, reason=reason, seen_version=seen_version)
    if was_draft:
        remove_all(work, server)


def return_to_applicant(
    work: Work, actor: Actor, server: Server, reason: str, *, seen_version: int | None = None
) -> None:
    """Give an application back, with what is to be changed."""
    move(work, server, Action.RETURN, actor, reason=reason, seen_version=seen_version)
