"""The registrar's service as an operator runs it, and people who decide in the test's process."""

from __future__ import annotations

import contextlib
import shutil
import signal
from pathlib import Path
from typing import Any

import dns.rcode
from sqlalchemy import select

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import open_office
from countersign.registrar.operations import sanctions, secondaries
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.publishing import orders
from countersign.registrar.queries.secondaries import SecondaryStatus, statuses
from countersign.registry.transfer.keys import TsigKey
from countersign.settings.file import load_config
from countersign.storage.database.publication import ZoneVersion
from countersign.storage.database.servers import Server
from tests.chain.data import ZONE, Data
from tests.chain.places import Here
from tests.chain.waiting import until
from tests.gateway.world import free_port
from tests.peers.dns_questions import ask
from tests.registrar.operations import treasury
from tests.registrar.primary.programs import Program, is_alive


class Registrar:
    """One database; its service can be ended, killed and started again."""

    def __init__(self, data: Data, directory: Path, place: Here, **primary: Any) -> None:
        """primary: settings of the primary's."""
        directory.mkdir()
        self.directory = directory
        self.state = directory / "state"
        data.copy_to(self.state)
        self.lively = data.lively
        self.endpoint = f"{place.address}:{free_port()}"
        self.file = directory / "registrar.toml"
        web = free_port()
        # All who follow are on one address here, and so have one share of questions.
        settings = {"requests_per_second": 1000, "check_seconds": 5, **primary}
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        self.file.write_text(f"""\
url = "http://localhost:{web}"
listen = "127.0.0.1:{web}"
state_directory = "{self.state}"
zone = "{ZONE}"
reserved_names = true
certification.mailbox.listen = []

[primary]
listen = ["{self.endpoint}"]
{lines}""")
        self.office: Office = self._open()
        self.service: Program | None = None
        self._place = place

    # -- the service ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start the service; return when it serves, its primary too."""
        assert self.service is None
        command = ("registrar", "--config", str(self.file))
        self.service = self._place.call(Program, *command)
        self.service.wait_for("registrar serves", seconds=120)
        self.service.wait_for("primary runs beside the service", seconds=120)

    def stop(self) -> None:
        if self.service is not None:
            with contextlib.suppress(ProcessLookupError):
                self.service.process.send_signal(signal.SIGTERM)
            self.service.process.wait(60)
        self.service = None

    def kill(self) -> None:
        """End the service as a crash would; its primary ends with it."""
        assert self.service is not None
        children = self.service.children()
        self.service.kill()
        until(lambda: not any(map(is_alive, children)), "the primary has ended with the service")
        self.service = None

    def primary_process(self) -> int:
        """The process of the primary."""
        assert self.service is not None
        [child] = self.service.children()
        return child

    def log(self) -> str:
        return "" if self.service is None else self.service.text

    def close(self) -> None:
        self.stop()
        self.office.database.close()

    # -- its data ------------------------------------------------------------------------------

    @property
    def database(self) -> Path:
        return self.state / "registrar.sqlite"

    def replace_database(self, other: Path) -> None:
        """Put another file in place of the database, as who restores a backup does."""
        assert self.service is None
        self.office.database.close()
        for file in self.state.glob("registrar.sqlite*"):
            file.unlink()
        shutil.copy(other, self.database)
        self.office = self._open()

    def settled(self) -> None:
        """Wait until nothing waits to be published."""

        def is_settled() -> bool:
            with self.office.reading() as work:
                return not orders.is_any_waiting(work)

        until(is_settled, "all is published", otherwise=self.log)

    @property
    def serial(self) -> int:
        with self.office.reading() as work:
            return secondaries.newest_serial(work) or 0

    def versions(self) -> list[ZoneVersion]:
        with self.office.reading() as work:
            return list(work.session.scalars(select(ZoneVersion).order_by(ZoneVersion.id)))

    def servers(self, prefix: str) -> list[int]:
        """The keys of servers whose names begin so."""
        with self.office.reading() as work:
            query = select(Server.id).where(Server.hostname.startswith(prefix))
            return list(work.session.scalars(query.order_by(Server.id)))

    # -- decisions -----------------------------------------------------------------------------

    def suspend(self, server: int, reason: str = "spam was sent") -> None:
        who = treasury.adjudicator(self.office)
        with self.office.work() as work:
            sanctions.suspend(
                work,
                who,
                work.session.get_one(Server, server),
                reason="A trap was hit.",
                public_reason=reason,
            )

    def reinstate(self, server: int) -> None:
        who = treasury.adjudicator(self.office)
        with self.office.work() as work:
            found = work.session.get_one(Server, server)
            sanctions.reinstate(work, who, found, "It is over.")

    # -- secondaries ---------------------------------------------------------------------------

    def add(self, name: str, details: Details) -> TsigKey:
        with self.office.work() as work:
            return secondaries.add(work, SYSTEM, name, details)[1]

    def wait_until_it_knows(self, key: TsigKey) -> None:
        """Wait until the primary has read a key that was issued a moment ago.

        Who is refused at his first try comes back when he likes: BIND, after 50 seconds.
        """

        def is_known() -> bool:
            answer = self._place.call(ask, self.endpoint, ZONE, "SOA", key=key)
            return answer.rcode() == dns.rcode.NOERROR

        until(is_known, "the primary knows a new key", otherwise=self.log)

    def secondary_id(self, name: str) -> int:
        with self.office.reading() as work:
            found = secondaries.find(work, name)
            assert found is not None
            return found.id

    def status(self, name: str) -> SecondaryStatus:
        """How far the database says that one is."""
        with self.office.reading() as work:
            [found] = [one for one in statuses(work) if one.secondary.name == name]
            return found

    def _open(self) -> Office:
        return open_office(load_config(self.file, RegistrarConfig))
