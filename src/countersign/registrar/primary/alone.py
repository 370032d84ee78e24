"""The primary as a program of its own: `countersign registrar primary`."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.metrics import serve_metrics
from countersign.registrar.opening import OpeningError, open_office
from countersign.registrar.primary.metrics import PrimaryMetrics
from countersign.registrar.primary.process import run_primary

log = structlog.get_logger()


def run_alone(config: RegistrarConfig, ready: Callable[[list[str]], None] | None = None) -> None:
    """Run the primary until SIGTERM or SIGINT.

    ready: called with its addresses once it listens. Raises :class:`OpeningError`.
    """
    office = open_office(config)
    registry = CollectorRegistry()
    try:
        metrics = PrimaryMetrics(registry)
        try:
            stop_metrics = serve_metrics(office, registry)
        except (OSError, ValueError) as error:
            raise OpeningError(
                f"metrics.listen {config.metrics.listen}: {error}; if the service of this host "
                "serves metrics there, give this process a configuration with another address"
            ) from error
        try:
            run_primary(office, ready=ready or (lambda _: None), metrics=metrics)
        finally:
            stop_metrics()
    finally:
        office.database.close()
