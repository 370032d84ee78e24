"""Publishing processes to be killed, at any moment or at a certain one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.jobs import queue
from countersign.registrar.jobs.handlers import KINDS
from countersign.registrar.jobs.worker import Workers
from countersign.registrar.operations.office import Office
from countersign.registrar.publishing import anew, publisher
from countersign.registrar.publishing.orders import PUBLISH
from countersign.registrar.publishing.publisher import ensure_published
from countersign.registrar.state import database_url, keyring_file
from countersign.registrar.vault.keyring import Keyring
from countersign.registry.copy.changing import Changing
from countersign.registry.copy.replacing import Replacing
from countersign.storage.database.engine import Database

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])

MOMENTS = (
    "before the version is committed",
    "after the version is committed",
    "while the copy is changed",
    "while the copy is written anew",
    "before the new copy is put in place",
)


def start_publisher(config: RegistrarConfig, die: str = "") -> BaseProcess:
    """Start a process that publishes as the service does. die: one of the moments."""
    process = _context.Process(target=_work, args=(config, die), daemon=True)
    process.start()
    return process


def _work(config: RegistrarConfig, die: str) -> None:
    queue.FIRST_PAUSE = 0.2
    if die:
        _arrange(die)
    office = Office(config, Database(database_url(config)), Keyring(keyring_file(config)))
    ensure_published(office)
    with Workers(office, {PUBLISH: KINDS[PUBLISH]}, threads=1):
        signal.pause()


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arrange(moment: str) -> None:
    """Have this process die when it comes to a moment."""
    match moment:
        case "before the version is committed":
            publisher.orders.end = _die
        case "after the version is committed":
            publisher._bring_up = _die
        case "while the copy is changed":
            Changing._flush = _die  # type: ignore[method-assign]
        case "while the copy is written anew":
            image = anew.image

            def half(work: Any) -> Iterator[tuple[bytes, bytes]]:
                nodes = list(image(work))
                yield from nodes[: len(nodes) // 2]
                _die()

            anew.image = half
        case "before the new copy is put in place":
            Replacing.commit = _die  # type: ignore[assignment,method-assign]
