"""Figures on what the registrar does: registered, suspended, forfeited, by month."""

from __future__ import annotations

from starlette.responses import Response

from countersign.registrar.queries import figures, secondaries
from countersign.registrar.web.access import PUBLIC
from countersign.registrar.web.pages import Pages
from countersign.registrar.web.visit import Visit
from countersign.rules.life_cycle import Action, State

pages = Pages()

_FORFEITED = "forfeited "
_SHOWN = (State.ACTIVE, State.SUSPENDED, State.LAPSED, State.DEREGISTERED, State.DENIED)


@pages.get("/transparency", allow=PUBLIC)
def transparency(visit: Visit) -> Response:
    """Show two years of figures as charts, each with its table."""
    with visit.reading() as work:
        months = figures.by_month(work)
        states = figures.by_state(work)
        zone = secondaries.zone_status(work)
        servers = secondaries.public_servers(work)
    none = [0] * len(months.months)
    amounts = {
        kind.removeprefix(_FORFEITED): values
        for kind, values in sorted(months.counts.items())
        if kind.startswith(_FORFEITED)
    }
    return visit.render(
        "public/transparency.html",
        labels=[f"{month.month}/{month:%y}" for month in months.months],
        applied=months.counts.get(Action.SUBMIT, none),
        registered=months.counts.get(Action.ACTIVATE, none),
        left=[
            sum(values)
            for values in zip(
                *(
                    months.counts.get(action, none)
                    for action in (Action.WITHDRAW, Action.LAPSE, Action.DEREGISTER)
                ),
                strict=True,
            )
        ],
        denied=months.counts.get(Action.DENY, none),
        suspended=months.counts.get(Action.SUSPEND, none),
        reinstated=months.counts.get(Action.REINSTATE, none),
        deregistered=months.counts.get(Action.DEREGISTER, none),
        reports=months.counts.get("report", none),
        forfeited=amounts or {visit.office.config.money.currency: none},
        states=[(state, states[state]) for state in _SHOWN],
        zone=zone,
        servers=servers,
    )
