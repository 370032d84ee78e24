"""The test mailbox as a process beside the service."""

from __future__ import annotations

from countersign.registrar.beside.process import Child, ChildProcess
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.mailbox.metrics import metrics_directory


class MailboxProcess(ChildProcess):
    """The test mailbox's process. A context manager: it listens when the block begins.

    Raises :class:`~countersign.registrar.opening.OpeningError` at its begin.
    """

    def __init__(self, config: RegistrarConfig) -> None:
        child = Child(
            name="mailbox",
            module="countersign.registrar.mailbox",
            metrics=metrics_directory(config),
            loss="no relayed message can be proven",
        )
        super().__init__(child, config)
