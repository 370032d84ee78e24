"""The primary as a program of its own: `countersign registrar primary`."""

from __future__ import annotations

from countersign.registrar.beside import program
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.primary.process import run_primary


def run_alone(config: RegistrarConfig, ready: program.Ready | None = None) -> None:
    """Run the primary until SIGTERM or SIGINT.

    ready: called with its addresses once it listens. Raises
    :class:`~countersign.registrar.opening.OpeningError`.
    """
    program.run_alone(config, run_primary, ready)
