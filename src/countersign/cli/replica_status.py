"""What `countersign replica status` shows."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from rich.markup import escape
from rich.table import Table

from countersign.registry.replica.settings import ReplicaConfig
from countersign.registry.replica.standing import Standing


def as_values(settings: ReplicaConfig, standing: Standing) -> dict[str, object]:
    """Return a replica's standing for machines."""
    meta, state = standing.meta, standing.state
    copy = None
    if meta is not None:
        copy = asdict(meta) | {"node_sum": meta.node_sum.hex(), "age": standing.age}
    return {
        "zone": settings.zone,
        "directory": str(settings.directory),
        "stale": standing.is_stale,
        "kept": standing.is_kept,
        "copy": copy,
        "state": asdict(state) if state is not None else None,
    }


def as_table(settings: ReplicaConfig, standing: Standing) -> Table:
    """Return a replica's standing for people."""
    table = Table(show_header=False)
    rows: list[tuple[str, str]] = [("zone", settings.zone), ("directory", str(settings.directory))]
    meta, state = standing.meta, standing.state
    if meta is None:
        rows.append(("copy", "there is none yet"))
    else:
        limit = timedelta(seconds=int(settings.replica.max_age_seconds))
        age = f"{timedelta(seconds=int(max(0, standing.age)))} (stale from {limit} on)"
        rows += [
            ("serial", str(meta.serial)),
            ("records", f"{meta.records:,}"),
            ("age", f"STALE: {standing.why_stale}" if standing.is_stale else age),
            ("confirmed", _moment(meta.checked_at)),
            ("loaded", _moment(meta.loaded_at)),
            ("source", meta.source or "unknown"),
        ]
    rows.append(
        ("replica", f"process {state.process}" if state and standing.is_kept else "not running")
    )
    if state is not None:
        rows += [(f"primary {endpoint}", said) for endpoint, said in state.primaries.items()]
        if state.transfer and standing.is_kept:
            rows.append(("transfers", f"{state.transfer}, since {_moment(state.transfer_since)}"))
        rows.append(("lag", f"{state.lag:g} seconds at the last change"))
        if state.error:
            rows.append(("error now", f"{state.error} (since {_moment(state.error_at)})"))
        elif state.last_error:
            rows.append(("last error", f"{state.last_error} ({_moment(state.last_error_at)})"))
        if state.shrink is not None:
            shrink = f"from {state.shrink.before:,} to {state.shrink.after:,} records"
            rows.append(("refused to shrink", f"{shrink}, serial {state.shrink.serial}"))
    for name, value in rows:
        table.add_row(escape(name), escape(value))
    return table


def _moment(seconds: float) -> str:
    if seconds <= 0:
        return "never"
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S %z}"
