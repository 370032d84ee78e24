"""Strike a server off: proposed by one adjudicator, made by another."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.operations import deregistration
from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.queries import timelines
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import server_frame
from countersign.registrar.web.staff.deciding import Errors, decide, seen_version
from countersign.registrar.web.staff.server_frame import ONE, staff_access
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import PUBLISHED

pages = Pages()

_ALLOW = staff_access(Permission.ADJUDICATE, fresh=True)


@pages.get(ONE + "/deregistration/propose", allow=_ALLOW)
def show_propose(visit: Visit, server: int) -> Response:
    """Ask why a server is to be struck off."""
    return _propose_form(visit, server, {})


@pages.post(ONE + "/deregistration/propose", allow=_ALLOW)
def propose(visit: Visit, server: int) -> Response:
    """Propose that a server be struck off."""
    reason = visit.form.text("reason", 1000)
    public = visit.form.text("public_text", 255)
    with visit.reading() as work:
        row = server_frame.find(work, server)
    question = server_frame.question(
        row,
        "Propose to strike {host} off?",
        "Propose it",
        kind="danger",
        summary=[("Reason", reason), ("For everybody", public)],
    )

    def act(work: Work) -> str:
        deregistration.propose_deregistration(
            work,
            visit.actor(Permission.ADJUDICATE),
            server_frame.find(work, server),
            reason=reason,
            public_text=public,
            seen_version=seen_version(visit),
        )
        return "It is proposed; another adjudicator decides."

    return decide(visit, question, act, lambda errors: _propose_form(visit, server, errors))


def _propose_form(visit: Visit, server: int, errors: Errors) -> Response:
    return server_frame.show_form(visit, "staff/strike_off.html", server, errors)


@pages.get(ONE + "/deregistration", allow=_ALLOW)
def show_decision(visit: Visit, server: int) -> Response:
    """Ask for the decision on a proposal to strike a server off."""
    return _decision_form(visit, server, {})


@pages.post(ONE + "/deregistration", allow=_ALLOW)
def make_decision(visit: Visit, server: int) -> Response:
    """Strike a server off, as another adjudicator proposed, or drop the proposal."""
    decision, reason = visit.form.text("decision", 16), visit.form.text("reason", 1000)
    if decision not in ("confirm", "drop"):
        return _decision_form(visit, server, {"decision": "Choose what you decide."})
    with visit.reading() as work:
        row = server_frame.find(work, server)
    confirms = decision == "confirm"
    question = server_frame.question(
        row,
        "Strike {host} off?" if confirms else "Keep {host}, and drop the proposal?",
        "Strike it off" if confirms else "Drop the proposal",
        kind="danger" if confirms else "",
        summary=[] if confirms else [("Reason", reason)],
    )

    def act(work: Work) -> str:
        actor, found = visit.actor(Permission.ADJUDICATE), server_frame.find(work, server)
        version = seen_version(visit)
        if confirms:
            deregistration.deregister(work, actor, found, seen_version=version)
            return f"{row.hostname} has been struck off."
        deregistration.drop_deregistration(work, actor, found, reason, seen_version=version)
        return "The proposal has been dropped."

    return decide(visit, question, act, lambda errors: _decision_form(visit, server, errors))


def _decision_form(visit: Visit, server: int, errors: Errors) -> Response:
    with visit.reading() as work:
        row = server_frame.find(work, server)
        proposal = deregistration.deregistration_proposal(work, row)
        if proposal is None or row.state not in PUBLISHED:
            raise NotFoundError("No deregistration is proposed.")
        names = timelines.names_of(work, [proposal.account_id])
    return server_frame.show_form(
        visit,
        "staff/strike_off_decision.html",
        server,
        errors,
        proposal=proposal,
        proposer=names.get(proposal.account_id or 0, ""),
        is_mine=proposal.account_id == visit.me.account_id,
    )
