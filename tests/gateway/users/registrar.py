"""A registrar's real website and API on a port of its own, which can go away and come back."""

from __future__ import annotations

import dataclasses
import datetime
import socket
import threading
from pathlib import Path

import uvicorn
from sqlalchemy import select

from countersign.gateway.registrar_link.client import RegistrarClient
from countersign.gateway.submission.settings import RegistrarLink
from countersign.registrar.operations.holdings import revoke_user
from countersign.registrar.operations.offenders import Details, GivenNumber, record_offender
from countersign.registrar.operations.office import Office
from countersign.rules.access import Scope
from countersign.rules.screening import Level
from countersign.storage.database.holdings import PrivilegedUser
from countersign.storage.database.servers import Server
from tests.gateway.world import free_port
from tests.registrar.api.programs import Desk
from tests.registrar.operations import treasury

HOSTNAME = "mail.users.com.au"
SCOPES = (Scope.READ_HOLDINGS, Scope.WRITE_HOLDINGS, Scope.QUERY_OFFENDERS)
OFFENDER = ("Max Spammer", "1980-01-31")
PASSPORT = "passport:AU:N1234567"


class Registrar:
    """One office, by the real clock, with an active server and a token for it in a file."""

    def __init__(self, office: Office, directory: Path, *scopes: Scope) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = office.config.model_copy(update={"url": self.url})
        self.office = dataclasses.replace(office, config=config)
        self.desk = Desk(self.office)
        self.server_id = treasury.make_active(self.office, hostname=HOSTNAME)
        self.owner = treasury.server_of(self.office, self.server_id).owner_id
        self.token_file = directory / "token"
        self.write_token(*(scopes or SCOPES))
        self._server: uvicorn.Server | None = None

    def write_token(self, *scopes: Scope, server: bool = True) -> None:
        number = self.server_id if server else None
        self.token_file.write_text(self.desk.token(self.owner, *scopes, server=number) + "\n")

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self._server = uvicorn.Server(
            uvicorn.Config(self.desk.app, lifespan="off", access_log=False, log_config=None)
        )
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()
        self._listener = listener

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join(30)
            self._listener.close()
            self._server = None

    def link(self, **changes: object) -> RegistrarLink:
        values = {"url": self.url, "token_file": self.token_file, "timeout": 10, **changes}
        return RegistrarLink.model_validate(values)

    def client(self, **changes: object) -> RegistrarClient:
        return RegistrarClient(self.link(**changes), HOSTNAME)

    def users(self, *, revoked: bool = False) -> list[PrivilegedUser]:
        """The privileged users that the registrar has; revoked: those who were."""
        query = select(PrivilegedUser).where(PrivilegedUser.server_id == self.server_id)
        with self.office.reading() as work:
            found = work.session.scalars(query.order_by(PrivilegedUser.id)).all()
            return [one for one in found if (one.revoked_at is not None) == revoked]

    def revoke(self, number: int) -> None:
        with self.office.work() as work:
            server = work.session.get_one(Server, self.server_id)
            revoke_user(work, treasury.owner_of(work, server), server, number)

    def record_offender(self) -> None:
        details = Details(
            name=OFFENDER[0],
            birth_date=datetime.date.fromisoformat(OFFENDER[1]),
            numbers=(GivenNumber("passport", "AU", "N1234567"),),
        )
        with self.office.work() as work:
            record_offender(
                work,
                treasury.adjudicator(self.office),
                details,
                level=Level.BARRED,
                offence_on=datetime.date(2025, 11, 17),
                case_reference="case 12",
            )
