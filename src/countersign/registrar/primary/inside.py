"""The primary as a process beside the service."""

from __future__ import annotations

from countersign.registrar.beside.process import Child, ChildProcess
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.primary.metrics import metrics_directory


class PrimaryProcess(ChildProcess):
    """The primary's process. A context manager: it listens when the block begins.

    Raises :class:`OpeningError` at its begin.
    """

    def __init__(self, config: RegistrarConfig) -> None:
        child = Child(
            name="primary",
            module="countersign.registrar.primary",
            metrics=metrics_directory(config),
            loss="secondaries get no changes",
        )
        super().__init__(child, config)
