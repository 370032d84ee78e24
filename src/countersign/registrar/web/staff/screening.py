"""Applications that wait for a screener: the queue, an applicant's file, the decision."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from countersign.registrar.operations import (
    applications,
    documents_of,
    domain_ages,
    dossier,
    offenders,
    screenings,
)
from countersign.registrar.operations.office import NotFoundError, OperationError, Work
from countersign.registrar.particulars.draft import Particulars
from countersign.registrar.queries import staff_servers, timelines
from countersign.registrar.uploads.upload import ACCEPTED
from countersign.registrar.web import event_words
from countersign.registrar.web.access import server as server_access
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.staff import applicant
from countersign.registrar.web.staff.deciding import Errors, Question, decide, seen_version
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, State
from countersign.rules.screening import Verdict
from countersign.storage.database.servers import Server

pages = Pages()

_SCREEN = Permission.SCREEN
_QUEUE = "/staff/screening"
_FILE = _QUEUE + "/{server:key}"
_RETURN = "return"
_OPEN = frozenset({State.SUBMITTED, State.SCREENED})
"""States in which a screener works on the application."""
_AGELESS = ENDED | {State.DRAFT}
"""States in which nothing hangs on the domain's age."""
_BUTTONS = {
    str(Verdict.CLEAN): ("Clear {host}?", "Clear the application", ""),
    str(Verdict.MULTIPLY): ("Clear {host}, with a larger bond?", "Clear with a larger bond", ""),
    str(Verdict.DENY): ("Refuse {host}?", "Refuse the application", "danger"),
    _RETURN: ("Return {host} to the applicant?", "Return the application", ""),
}


@pages.get(_QUEUE, allow=staff(_SCREEN))
def show_queue(visit: Visit) -> Response:
    """Show the applications that wait, the longest waiting first."""
    cursor = visit.query.text("after", 1000) or None
    if visit.query.text("list", 10) == "cleared":
        with visit.reading() as work:
            cleared = staff_servers.in_state(work, State.SCREENED, cursor=cursor)
        return visit.render("staff/cleared.html", page=cleared)
    with visit.reading() as work:
        page = screenings.queue(work, cursor=cursor)
    return visit.render("staff/screening.html", page=page, review=_scores(visit))


def _scores(visit: Visit) -> Any:
    return visit.office.config.screening


@pages.get(_FILE, allow=server_access(_SCREEN))
def show_file(visit: Visit, server: int) -> Response:
    """Show an applicant's file. While it is decided, the particulars too: the look is recorded."""
    particulars = None
    with visit.work() as work:
        row = _find(work, server)
        if row.state in _OPEN:
            actor = visit.actor(Permission.SEE_PARTICULARS)
            particulars = dossier.open_particulars(work, actor, row, "screening")
    return _file(visit, server, particulars)


@pages.post(_FILE + "/particulars", allow=server_access(_SCREEN))
def open_particulars(visit: Visit, server: int) -> Response:
    """Show the particulars after the screening has ended, for a reason that is recorded."""
    reason = visit.form.text("reason", 255)
    if not reason:
        raise OperationError("The screening has ended: say why you need to see the particulars.")
    with visit.work() as work:
        actor = visit.actor(Permission.SEE_PARTICULARS)
        particulars = dossier.open_particulars(work, actor, _find(work, server), reason)
    return _file(visit, server, particulars, reason=reason)


def _file(
    visit: Visit, server: int, particulars: Particulars | None, *, reason: str = ""
) -> Response:
    with visit.reading() as work:
        row = _find(work, server)
        record = screenings.latest_record(work, row)
        matches = applicant.matches_of(record.matches if record is not None else ())
        scans = documents_of.documents_of(work, row)
        ages = timelines.ages_of(work, row.id)
        context = {
            "record": record,
            "is_present": record is screenings.present_record(work, row),
            "matches": matches,
            "ages": ages,
            "runs": timelines.runs_of(work, row.id, limit=5).rows,
            "history": timelines.history_of(work, row.id, limit=12),
            "parties": staff_servers.parties(work, row),
            "names": timelines.names_of(
                work,
                [record.decided_by if record else None, *(age.recorded_by for age in ages)],
            ),
            **_form_facts(work, row),
        }
    evidence = [one for one in scans if one.kind == documents_of.DOMAIN_AGE]
    return visit.render(
        "staff/file.html",
        server=row,
        particulars=particulars,
        members=applicant.members_of(particulars, scans, matches) if particulars else [],
        about=applicant.server_pairs(particulars) if particulars else [],
        evidence=evidence,
        papers=[(str(one.id), f"Document {one.id}") for one in evidence],
        label=applicant.scan_label,
        is_open=row.state in _OPEN,
        takes_age=row.state not in _AGELESS,
        reason=reason,
        accept=",".join(ACCEPTED),
        limits=_scores(visit),
        oldest=domain_ages.OLDEST,
        words=event_words,
        errors={},
        values={},
        **context,
    )


def _form_facts(work: Work, row: Server) -> dict[str, Any]:
    """Return what the form of the decision needs."""
    record = screenings.present_record(work, row)
    choices: list[tuple[str, str, str]] = []
    if row.state is State.SUBMITTED and record is not None:
        choices.append((str(Verdict.CLEAN), "Clear", "The relay test is made next."))
        if record.matches:
            factor = work.config.money.match_multiplier
            hint = f"A known offender is among the applicants: {factor} times the bond."
            choices.append((str(Verdict.MULTIPLY), "Clear, with a larger bond", hint))
    if row.state in _OPEN and (record is not None or row.state is State.SCREENED):
        choices.append((str(Verdict.DENY), "Refuse", "The reason is told to the applicant."))
    if row.state is State.SUBMITTED:
        hint = "It becomes a draft again; say what is to be changed."
        choices.append((_RETURN, "Return to the applicant", hint))
    return {
        "choices": choices,
        "seen_event": timelines.last_event(work, row.id),
    }


@pages.get(_FILE + "/decision", allow=server_access(_SCREEN))
def show_decision(visit: Visit, server: int) -> Response:
    """Ask for the decision, on a page of its own."""
    return _decision_form(visit, server, {})


@pages.post(_FILE + "/decision", allow=server_access(_SCREEN))
def make_decision(visit: Visit, server: int) -> Response:
    """Clear, clear with a larger bond, refuse, or return an application."""
    form = visit.form
    decision, reason = form.text("decision", 32), form.text("reason", 1000)
    if decision not in _BUTTONS:
        return _decision_form(visit, server, {"decision": "Choose what you decide."})
    with visit.reading() as work:
        hostname = _find(work, server).hostname
    title, button, kind = _BUTTONS[decision]
    question = Question(
        title.format(host=hostname),
        button,
        f"{_QUEUE}/{server}",
        trail=_trail(server, hostname),
        summary=[("Decision", button), ("Reason", reason)],
        kind=kind,
        server_id=server,
    )

    def act(work: Work) -> str:
        actor, row = visit.actor(_SCREEN), _find(work, server)
        version = seen_version(visit)
        if decision == _RETURN:
            applications.return_to_applicant(work, actor, row, reason, seen_version=version)
            return f"{hostname} has been returned to the applicant."
        verdict = Verdict(decision)
        screenings.decide(work, actor, row, verdict, reason=reason, seen_version=version)
        return f"{hostname} has been {'refused' if verdict is Verdict.DENY else 'cleared'}."

    return decide(visit, question, act, lambda errors: _decision_form(visit, server, errors))


def _decision_form(visit: Visit, server: int, errors: Errors) -> Response:
    with visit.reading() as work:
        row = _find(work, server)
        facts = _form_facts(work, row)
    return visit.render(
        "staff/decision.html",
        code=422 if errors else 200,
        server=row,
        trail=_trail(server, row.hostname),
        errors=errors,
        values=visit.form.plain(),
        **facts,
    )


@pages.get(_FILE + "/offenders/{offender:key}", allow=server_access(_SCREEN))
def compare(visit: Visit, server: int, offender: int) -> Response:
    """Show somebody of the application beside an offender; both looks are recorded."""
    subject = visit.query.text("as", 64)
    with visit.work() as work:
        row = _find(work, server)
        record = screenings.latest_record(work, row)
        match = next(
            (
                one
                for one in applicant.matches_of(record.matches if record is not None else ())
                if one.offender == offender and one.subject == subject
            ),
            None,
        )
        if match is None or row.state not in _OPEN:
            raise NotFoundError("There is no such match in this screening.")
        why = f"screening of server {server}"
        opened = offenders.open_offender(
            work, visit.actor(Permission.SEE_OFFENDERS), offender, reason=why
        )
        particulars = dossier.open_particulars(
            work, visit.actor(Permission.SEE_PARTICULARS), row, "comparison with an offender"
        )
    members = applicant.members_of(particulars, (), [match])
    member = next((one for one in members if one.role == subject), None)
    return visit.render(
        "staff/compare.html",
        server=row,
        match=match,
        member=member,
        offender=opened.offender,
        details=opened.details,
        number_words=applicant.NUMBER_WORDS,
        limits=_scores(visit),
        trail=_trail(server, row.hostname),
    )


def _find(work: Work, server: int) -> Server:
    return work.session.get_one(Server, server)


def _trail(server: int, hostname: str) -> list[tuple[str, str]]:
    return [("Screening", _QUEUE), (hostname, f"{_QUEUE}/{server}")]
