"""How the demo's servers came into the registry, as its event log tells it."""

from __future__ import annotations

from rich.table import Table

from countersign.demo.registrar import DemoRegistrar
from countersign.demo.world import ALPHA, BETA


def registrations(registrar: DemoRegistrar) -> Table:
    """Return the changes of state of both servers: when, by whom, why."""
    table = Table(title="How they came into the registry", expand=True)
    for name in ("server", "from", "to", "by", "seconds", "why"):
        table.add_column(name, justify="right" if name == "seconds" else "left")
    for host in (ALPHA, BETA):
        events = registrar.history(host)
        begun = events[0].at
        for event in events:
            if event.to_state is None:
                continue
            table.add_row(
                host.name,
                str(event.from_state or ""),
                str(event.to_state),
                str(event.role),
                f"{(event.at - begun).total_seconds():.1f}",
                event.reason,
            )
        table.add_section()
    return table
