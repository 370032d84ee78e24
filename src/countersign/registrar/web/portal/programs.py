"""Tokens for programs."""

from __future__ import annotations

from sqlalchemy import select
from starlette.responses import Response

from countersign.registrar.operations import api_tokens
from countersign.registrar.operations.office import OperationError
from countersign.registrar.web.access import FRESH, SIGNED_IN
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.access import SCOPE_WORDS, Scope
from countersign.storage.database.servers import Server

pages = Pages()

_MAX_CHOICES = 200
_DAYS = (30, 90, 365, 730)


@pages.get("/account/tokens", allow=SIGNED_IN)
def show_tokens(visit: Visit) -> Response:
    """Show the tokens that are good."""
    with visit.reading() as work:
        tokens = api_tokens.tokens_of(work, visit.me.account_id)
        names = dict(_servers(visit))
    return visit.render("account/tokens.html", tokens=tokens, names=names)


@pages.get("/account/tokens/new", allow=FRESH)
def show_new(visit: Visit) -> Response:
    """Ask what a token is to do."""
    return _form(visit)


@pages.post("/account/tokens", allow=FRESH)
def make_token(visit: Visit) -> Response:
    """Make a token; it is shown once, by this very answer."""
    form = visit.form
    known = {str(scope): scope for scope in Scope}
    scopes = [known[name] for name in form.all("scopes") if name in known]
    server_id = form.integer("server") or None
    name, days = form.text("name", 255), form.integer("days", 90)
    try:
        with visit.work() as work:
            token = api_tokens.create(
                work, visit.owner, name, scopes, server_id=server_id, days=days
            )
    except OperationError as error:
        return _form(visit, str(error))
    return visit.render("account/token.html", token=token, name=name)


@pages.post("/account/tokens/{token:key}/revoke", allow=SIGNED_IN)
def revoke(visit: Visit, token: int) -> Response:
    """Make a token worthless."""
    with visit.work() as work:
        api_tokens.revoke(work, visit.owner, token)
    visit.flash("The token has been revoked.")
    return visit.redirect("/account/tokens")


def _form(visit: Visit, error: str = "") -> Response:
    return visit.render(
        "account/token_new.html",
        code=422 if error else 200,
        values=visit.form.plain(),
        chosen=visit.form.all("scopes"),
        scopes=[(str(scope), words) for scope, words in SCOPE_WORDS.items()],
        servers=_servers(visit),
        days=[(days, f"{days} days") for days in _DAYS],
        errors={"": error} if error else {},
    )


def _servers(visit: Visit) -> list[tuple[int, str]]:
    with visit.reading() as work:
        rows = work.session.execute(
            select(Server.id, Server.hostname)
            .where(Server.owner_id == visit.me.account_id)
            .order_by(Server.id)
            .limit(_MAX_CHOICES)
        )
        return [(row[0], row[1]) for row in rows]
