"""A registrar on SQLite with made-up servers, and some of which everything is in order."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select
from tests.gateway.world import free_port
from tests.registrar.operations import life

from benchmarks.registry.figures import Steps
from benchmarks.registry.made_zone import ZONE
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.jobs.schedule import ADDRESSES, order_daily
from countersign.registrar.opening import open_office
from countersign.registrar.operations.office import Office
from countersign.registrar.publishing.copies import open_zone_copy
from countersign.registrar.seed.seeding import seed
from countersign.registry.zone.names import APEX, text_of
from countersign.registry.zone.records import read_node
from countersign.rules.life_cycle import State
from countersign.settings.file import load_config
from countersign.storage.database.jobs import Job
from countersign.storage.database.servers import Server

_LIVELY = 4


@dataclass
class Registrar:
    """Its configuration, its office, and the servers about which decisions are made."""

    config_file: Path
    office: Office
    primary: str
    """Where its primary will listen."""
    lively: list[tuple[int, str]]
    """Key and host name of active servers that can be suspended and reinstated."""

    def some_servers(self, count: int) -> list[int]:
        """Return the keys of active servers that were made up."""
        with self.office.reading() as work:
            mine = [key for key, _ in self.lively]
            query = select(Server.id).where(Server.state == State.ACTIVE, Server.id.not_in(mine))
            return list(work.session.scalars(query.order_by(Server.id).limit(count)))


def make_registrar(directory: Path, servers: int, steps: Steps) -> Registrar:
    """Make the database; nothing is published yet."""
    primary = f"127.0.0.1:{free_port()}"
    file = directory / "registrar.toml"
    # All secondaries are on one address here, and so have one share of questions and connections.
    file.write_text(
        f'zone = "{ZONE}"\nstate_directory = "{directory}/registrar"\nreserved_names = true\n'
        "certification.mailbox.listen = []\n"
        f'[primary]\nlisten = ["{primary}"]\nrequests_per_second = 10000\nconnections = 1000\n'
        '[log]\nlevel = "error"\n'
    )
    office = open_office(load_config(file, RegistrarConfig))
    advance = steps.begin(f"seeding {servers:,} servers", servers)
    seed(office, servers, progress=advance)
    lively = [life.make_active(office) for _ in range(_LIVELY)]
    with office.work() as work:
        # What was ordered on the way asks other people's servers; so would the look at the
        # addresses of all: the round that is under way goes on in a year.
        work.session.execute(delete(Job))
        later = work.now + datetime.timedelta(days=365)
        work.order(ADDRESSES, {"after": 0}, run_at=later)
        names = [(key, work.session.get_one(Server, key).hostname) for key in lively]
    order_daily(office)
    with office.work() as work:
        for job in work.session.scalars(select(Job).where(Job.kind == "daily")):
            job.run_at = later
    return Registrar(file, office, primary, names)


def write_zone_file(office: Office, path: Path, zone: str, serial: int) -> None:
    """Write what the registrar has published as the zone file of another zone."""
    with open_zone_copy(office, writable=False) as copy, path.open("w") as file:
        file.write(f"$ORIGIN {zone}.\n@ 300 SOA ns.{zone}. hostmaster.{zone}. ")
        file.write(f"{serial} 300 60 1209600 60\n@ 300 NS ns.example.net.\n")
        with copy.reader().snapshot() as snapshot:
            for key, node in snapshot.nodes():
                if key == APEX:
                    continue
                owner = text_of(key)
                for one in read_node(node):
                    # RFC 3597 §5: the record as it is, whatever its type.
                    size, data = len(one.rdata), one.rdata.hex()
                    file.write(f"{owner} {one.ttl} TYPE{one.kind} \\# {size} {data}\n")
