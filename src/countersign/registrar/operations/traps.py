"""Mailboxes on registered servers for the registrar's use only (DESIGN §9).

Their names look like people's, so that harvesters keep them, and end in a part that nobody
guesses: whatever comes in was harvested where the address was shown.
"""

from __future__ import annotations

import secrets

from sqlalchemy import select

from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import OperationError, Work
from countersign.storage.database.holdings import Trap
from countersign.storage.database.servers import Server

MOST_TRAPS = 1000
"""Traps that a server is ever given."""
_GIVEN = """
alan albert alice amelia andrew anita anna arthur barbara ben carla carol charles claire colin
daniel david diana dora edith edward elena emma eric esther felix fiona frank george gina
grace hannah harold helen henry irene ivan jack jane joan john julia karl kate laura leo linda
louis lucy marc maria martin max mia nina nora oscar paul peter rita rosa ruth sam sara simon
sofia stella theo thomas tina vera victor walter wendy will
"""
_FAMILY = """
abbott adler baker barnes becker bennett bishop brandt brooks burke carter cole cooper craig
dalton davis dixon dunn ellis engel evans fischer fleming foster franks gibson grant graves
hale hansen harper hayes hill holmes hunter irving jansen jensen keller kemp klein lambert
lane larsen lewis lopez marsh martin mason meyer miles moreau morris murray nash neal newton
olsen owens palmer parker peters porter quinn reed reyes rhodes rossi sanders schmidt shaw
simmons sloan stone sutton tate turner vance vogel wagner walsh weber west winter wolf woods
young
"""
_SUFFIX = "23456789abcdefghjkmnpqrstvwxyz"
"""Without signs that people read for one another."""
_SUFFIX_LENGTH = 8
"""39 bits."""


def allocate(work: Work, server: Server, number: int) -> list[Trap]:
    """Give a server new traps, with names that no trap of it has had before.

    The owner is written to, because he must make the mailboxes.
    """
    used = set(work.session.scalars(select(Trap.local_part).where(Trap.server_id == server.id)))
    if len(used) + number > MOST_TRAPS:
        raise OperationError(f"A server is given {MOST_TRAPS} traps at most.")
    names: set[str] = set()
    while len(names) < number:
        name = make_local_part()
        if name not in used:
            names.add(name)
    traps = [
        Trap(server_id=server.id, local_part=name, allocated_at=work.now) for name in sorted(names)
    ]
    if traps:
        work.session.add_all(traps)
        work.session.flush()
        order_mail(work, "traps", server.owner_id, unique=f"traps:{traps[-1].id}", server=server.id)
    return traps


def allocate_first(work: Work, server: Server) -> list[Trap]:
    """Give a server its traps when it becomes active; nothing if it has been given some before."""
    if work.session.scalar(select(Trap.id).where(Trap.server_id == server.id).limit(1)) is not None:
        return []
    return allocate(work, server, work.config.traps)


def make_local_part() -> str:
    """Return a name for a trap."""
    given, family = secrets.choice(_GIVEN.split()), secrets.choice(_FAMILY.split())
    suffix = "".join(secrets.choice(_SUFFIX) for _ in range(_SUFFIX_LENGTH))
    return f"{given}.{family}.{suffix}"


def traps_of(work: Work, server: Server, *, retired: bool = False) -> list[Trap]:
    """Return a server's traps in the order in which they were given."""
    statement = select(Trap).where(Trap.server_id == server.id).order_by(Trap.id)
    if not retired:
        statement = statement.where(Trap.retired_at.is_(None))
    return list(work.session.scalars(statement))
