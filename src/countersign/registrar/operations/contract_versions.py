"""Asks owners for their acceptance when there is a new version of the contract (DESIGN §6)."""

from __future__ import annotations

from sqlalchemy import exists, select

from countersign.registrar.documents.text import Kind, current
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import Office, Work
from countersign.rules.life_cycle import State
from countersign.storage.database.promises import ContractAcceptance
from countersign.storage.database.publication import Fact
from countersign.storage.database.servers import Server

_ASKED_ANEW = (State.ACTIVE, State.SUSPENDED, State.LAPSED)
_AT_ONCE = 200


def ask_for_new_acceptance(office: Office) -> int:
    """Mail the owners of registered servers that have not accepted the present version.

    Once for each version and server; returns how many were asked now. For every day: the first
    run with a new version goes through all servers, and goes on where it was cut short.
    """
    asked = 0
    while True:
        with office.work() as work:
            number, is_done = _ask_some(work)
        asked += number
        if is_done:
            return asked


def _ask_some(work: Work) -> tuple[int, bool]:
    version = current(Kind.REGISTRATION_CONTRACT)
    name = f"contract-asked {version}"
    progress = work.session.get(Fact, name, with_for_update=True)
    if progress is None:
        progress = Fact(name=name, value={"after": 0, "done": False})
        work.session.add(progress)
    if progress.value["done"]:
        return 0, True
    accepted = (
        ContractAcceptance.server_id == Server.id,
        ContractAcceptance.kind == str(Kind.REGISTRATION_CONTRACT),
    )
    servers = work.session.scalars(
        select(Server)
        .where(
            Server.id > progress.value["after"],
            Server.state.in_(_ASKED_ANEW),
            exists().where(*accepted),
            ~exists().where(*accepted, ContractAcceptance.version == version),
        )
        .order_by(Server.id)
        .limit(_AT_ONCE)
    ).all()
    for server in servers:
        order_mail(
            work,
            "agreement-new-version",
            server.owner_id,
            unique=f"{version}:{server.id}",
            server=server.id,
        )
    is_done = len(servers) < _AT_ONCE
    after = servers[-1].id if servers else progress.value["after"]
    progress.value = {"after": after, "done": is_done}
    return len(servers), is_done
