"""The registrar as a service: website, API and workers in one process; or workers alone.

The primary name server and the test mailbox are processes beside the service, which keeps them
running.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog
import uvicorn

from countersign.registrar.beside.process import ChildProcess
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.jobs.handlers import KINDS
from countersign.registrar.jobs.worker import Workers
from countersign.registrar.mail.posting import mail_directory
from countersign.registrar.mailbox.inside import MailboxProcess
from countersign.registrar.metrics import serve_metrics
from countersign.registrar.opening import OpeningError, has_staff, open_office
from countersign.registrar.operations.office import Office
from countersign.registrar.particulars.places import all_cities
from countersign.registrar.primary.inside import PrimaryProcess
from countersign.registrar.publishing.publisher import ensure_published
from countersign.registry.copy.errors import CopyError
from countersign.registry.zone.names import OwnerNameError

log = structlog.get_logger()

FINISHING_SECONDS = 30
"""How long a stop waits for requests, and for jobs, that have begun."""
_BACKLOG = 512
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_service(config: RegistrarConfig, ready: Callable[[str], None] | None = None) -> None:
    """Run website, API and workers until SIGTERM or SIGINT.

    ready: called with the website's address once it answers, and the primary too. Raises
    :class:`OpeningError`.
    """
    from countersign.registrar.api.app import make_api
    from countersign.registrar.web.app import make_app

    with _opened(config) as office, _listening(config.listen) as listener:
        api = make_api(office)
        server = uvicorn.Server(
            uvicorn.Config(
                make_app(office, api=api),
                loop="uvloop",
                lifespan="off",
                # Paths hold one-time links, queries what people search for.
                access_log=False,
                log_config=None,
                # `trusted_proxies` is the website's own affair.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=FINISHING_SECONDS,
            )
        )
        # A stop is not to wait for probes that wait for orders.
        api.state.waiting.is_stopping = lambda: server.should_exit
        _publish(office)
        with (
            _quiet_signals(server),
            _beside(office),
            _working(office, config.jobs),
        ):
            _tell_of_first_start(office)
            _tell_of_letters(config)
            _load_cities()
            log.info("registrar serves", url=config.url, listen=_address(listener))
            if ready is not None:
                ready(config.url)
            server.run(sockets=[listener])
    log.info("registrar has stopped")


def _load_cities() -> None:
    """Load the index of cities beside all else: the first applicant is not to wait for it."""
    threading.Thread(target=all_cities, name="cities", daemon=True).start()


def run_worker(config: RegistrarConfig, threads: int | None = None) -> None:
    """Do background work until SIGTERM or SIGINT. Raises :class:`OpeningError`.

    threads: of each lane; default: as configured, one at least.
    """
    stop = threading.Event()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    with _opened(config) as office:
        _publish(office)
        with _working(office, threads or max(1, config.jobs)):
            log.info("worker is at work")
            stop.wait()
    log.info("worker has stopped")


@contextlib.contextmanager
def _opened(config: RegistrarConfig) -> Iterator[Office]:
    office = open_office(config)
    try:
        stop_metrics = serve_metrics(office)
    except (OSError, ValueError) as error:
        raise OpeningError(f"metrics.listen {config.metrics.listen}: {error}") from error
    try:
        yield office
    finally:
        stop_metrics()
        office.database.close()


def _publish(office: Office) -> None:
    """Publish what was decided while no worker ran here, and what other settings make."""
    try:
        ensure_published(office)
    except CopyError as error:
        raise OpeningError(str(error)) from error
    except OwnerNameError as error:
        raise OpeningError(f"publication: {error}") from error


@contextlib.contextmanager
def _beside(office: Office) -> Iterator[None]:
    """Keep primary and test mailbox running beside the block, as far as they are to be here."""
    config = office.config
    mailbox = config.certification.mailbox
    children: dict[str, ChildProcess] = {}
    if config.primary.inside and config.primary.listen:
        children["primary"] = PrimaryProcess(config)
    if mailbox.inside and mailbox.listen:
        children["mailbox"] = MailboxProcess(config)
    with contextlib.ExitStack() as stack:
        for child in children.values():
            child.begin()
            stack.callback(child.abandon)
        for name, child in children.items():
            stack.enter_context(child)
            log.info(f"{name} runs beside the service", listen=child.listening)
        yield


@contextlib.contextmanager
def _working(office: Office, threads: int) -> Iterator[None]:
    """Let workers work during the block, and finish what they have begun."""
    with Workers(office, KINDS, threads=threads) as workers:
        try:
            yield
        finally:
            workers.stop(FINISHING_SECONDS)


@contextlib.contextmanager
def _listening(endpoint: str) -> Iterator[socket.socket]:
    """Give a listening socket. Raises :class:`OpeningError`."""
    path = Path(endpoint.removeprefix("unix:")) if endpoint.startswith("unix:") else None
    try:
        if path is not None:
            path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            listener.listen(_BACKLOG)
        else:
            host, _, port = endpoint.rpartition(":")
            host = host.strip("[]")
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OpeningError(f"listen {endpoint}: {error.strerror}") from error
    try:
        yield listener
    finally:
        listener.close()
        if path is not None:
            path.unlink(missing_ok=True)


def _address(listener: socket.socket) -> str:
    name = listener.getsockname()
    return f"unix:{name}" if isinstance(name, str) else f"{name[0]}:{name[1]}"


@contextlib.contextmanager
def _quiet_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let a signal stop uvicorn only, which raises it again at its end: here all goes on to its."""

    def stop(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_of_letters(config: RegistrarConfig) -> None:
    if config.mail.kind == "directory":
        log.info("letters go to a directory, not to people", directory=str(mail_directory(config)))


def _tell_of_first_start(office: Office) -> None:
    with office.reading() as work:
        if not has_staff(work):
            log.warning(
                "nobody is on the staff yet",
                advice="countersign registrar staff add EMAIL --name NAME --role administrator",
            )
