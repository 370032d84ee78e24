"""For auditors and administrators: who looked at what, and who asked about offenders."""

from __future__ import annotations

import datetime
import re
from urllib.parse import urlencode

from starlette.responses import Response

from countersign.registrar.operations.accounts import find_by_address
from countersign.registrar.operations.office import OperationError
from countersign.registrar.queries import audit
from countersign.registrar.web.access import staff
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import Permission

pages = Pages()

_LOG = "/staff/access-log"
_QUERIES = "/staff/offender-queries"
_SEE = staff(Permission.SEE_AUDIT)
_SUBJECT = re.compile(r"[a-z-]+(:[0-9]{1,18})?\Z")
_WHAT = (
    "particulars seen",
    "document seen",
    "offender seen",
    "offenders searched",
    "offender recorded",
    "offender withdrawn",
    "offender query",
    "payment recorded",
    "payment taken back",
    "payment given back",
    "paid out",
    "statement imported",
    "ledger exported",
    "role granted",
    "role revoked",
    "account disabled",
    "account enabled",
    "signed in",
)
"""What is often looked for; see `Work.record`."""


@pages.get(_LOG, allow=_SEE)
def show_log(visit: Visit) -> Response:
    """Show the access log, by person, subject and time."""
    query = visit.query
    chosen = {
        "person": query.integer("person", low=1) or "",
        "subject": query.text("subject", 64).lower(),
        "what": query.text("what", 64),
        "begin": query.text("begin", 10),
        "end": query.text("end", 10),
    }
    errors = {}
    if chosen["subject"] and not _SUBJECT.match(str(chosen["subject"])):
        errors["subject"] = "Write the kind and the number, such as server:12."
    begin, end = _day(query.text("begin", 10)), _day(query.text("end", 10))
    filters = audit.Filters(
        account_id=query.integer("person", low=1),
        subject="" if errors else str(chosen["subject"]),
        what=str(chosen["what"]),
        begin=begin,
        end=end + datetime.timedelta(days=1) if end is not None else None,
    )
    with visit.reading() as work:
        page = audit.records(work, filters, cursor=query.text("after", 1000) or None)
        names = audit.people(work, page)
    kept = {name: value for name, value in chosen.items() if value}
    return visit.render(
        "staff/access_log.html",
        page=page,
        names=names,
        chosen=chosen,
        errors=errors,
        kinds=[(one, one[:1].upper() + one[1:]) for one in _WHAT],
        base=f"{_LOG}?{urlencode(kept)}{'&' if kept else ''}",
    )


@pages.post(_LOG, allow=_SEE)
def find_person(visit: Visit) -> Response:
    """Find whose records are wanted. By POST: an address of mail stands in no address bar."""
    email = visit.form.text("email", 255)
    with visit.reading() as work:
        account = find_by_address(work, email) if email else None
    if account is None:
        raise OperationError("There is no account with this address.")
    target = _QUERIES if visit.form.text("list", 16) == "queries" else _LOG
    return visit.redirect(f"{target}?person={account.id}")


@pages.get(_QUERIES, allow=_SEE)
def show_queries(visit: Visit) -> Response:
    """Show who asked about offenders, why, and what was answered."""
    person = visit.query.integer("person", low=1)
    with visit.reading() as work:
        page = audit.offender_queries(
            work, account_id=person, cursor=visit.query.text("after", 1000) or None
        )
        names = audit.people(work, page)
    return visit.render("staff/offender_queries.html", page=page, names=names, person=person)


def _day(text: str) -> datetime.datetime | None:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        return None
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)
