"""The list of one's servers, and the first step of a new application."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from countersign.registrar.operations import applications
from countersign.registrar.operations.dossier import checks
from countersign.registrar.operations.office import Actor, OperationError
from countersign.registrar.particulars.draft import Particulars
from countersign.registrar.particulars.parsing import parse_form
from countersign.registrar.particulars.server import Host
from countersign.registrar.particulars.steps import Step, all_steps
from countersign.registrar.queries import servers as servers_query
from countersign.registrar.queries.next_steps import facts_of
from countersign.registrar.web.access import SIGNED_IN
from countersign.registrar.web.owner.next_step import next_step_of
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.roles import Role
from countersign.storage.database.servers import ApplicantKind, Server

pages = Pages()


@pages.get("/servers", allow=SIGNED_IN)
def show_servers(visit: Visit) -> Response:
    """Show the servers that one owns, administers or applies for."""
    with visit.reading() as work:
        page = servers_query.servers_of(
            work,
            visit.me.account_id,
            visit.me.roles,
            cursor=visit.query.text("after", 1000) or None,
        )
        facts = facts_of(work, page.rows)
    rows = [
        {
            "server": server,
            "facts": facts[server.id],
            "next": next_step_of(server, facts[server.id]),
            "hand": _hand(server, visit.me.account_id),
        }
        for server in page.rows
    ]
    return visit.render("owner/servers.html", rows=rows, next=page.next)


def _hand(server: Server, account_id: int) -> str:
    if server.owner_id == account_id:
        return "Owner"
    return "Agent" if server.agent_id == account_id else "Admin contact"


@pages.get("/servers/new", allow=SIGNED_IN)
def show_new(visit: Visit) -> Response:
    """Ask for the host name, and who owns the server."""
    return render_new(visit, "owner/new.html", {"hostname": visit.query.text("host", 255)}, {})


@pages.post("/servers/new", allow=SIGNED_IN)
def begin(visit: Visit) -> Response:
    """Begin an application."""
    return begin_for(visit, visit.owner, "owner/new.html")


def begin_for(
    visit: Visit, actor: Actor, template: str, *, owner_email: str = "", owner_name: str = ""
) -> Response:
    """Begin an application from the form that was sent, and go on to its next step.

    owner_email, owner_name: for whom an agent begins it.
    """
    form = visit.form.plain()
    try:
        with visit.work() as work:
            result = parse_form(Step.HOST, form, checks(work, Particulars()))
            host = result.values
            if not isinstance(host, Host):
                return render_new(visit, template, form, result.errors, code=422)
            server = applications.begin(
                work,
                actor,
                host.hostname,
                ApplicantKind(str(host.kind)),
                owner_email=owner_email,
                owner_name=owner_name,
            )
            key, kind = server.id, server.kind
    except OperationError as error:
        return render_new(visit, template, form, {"": str(error)}, code=422)
    visit.flash("The application has been begun. You can go on with it at any time.")
    step = Step.OWNER if kind is ApplicantKind.INDIVIDUAL else Step.COMPANY
    return visit.redirect(f"/servers/{key}/application/{step}")


def render_new(
    visit: Visit, template: str, values: dict[str, str], errors: dict[str, str], code: int = 200
) -> Response:
    """Return the page that asks for the first step."""
    context: dict[str, Any] = {
        "fields": {field.name: field for field in all_steps()[Step.HOST].fields},
        "values": values,
        "errors": errors,
        "is_agent": Role.AGENT in visit.me.roles,
    }
    return visit.render(template, code=code, **context)
