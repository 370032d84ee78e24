"""Whatever is decided in whatever order: the zone is the exact image of the database."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import event, select

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations import deregistration, fees, sanctions, server_keys
from countersign.registrar.operations.debts import suspend_debtors
from countersign.registrar.operations.lapsed import end_lapsed
from countersign.registrar.operations.offers import lapse_offers
from countersign.registrar.operations.office import Office, OperationError, Work
from countersign.registrar.operations.server_keys import KeyPurpose
from countersign.registrar.publishing import publisher
from countersign.registrar.publishing.addresses import Found, forget_those_who_left, record
from countersign.registrar.publishing.copies import open_zone_copy, zone_directory
from countersign.registrar.publishing.following import Place, follow
from countersign.registrar.publishing.journal import prune
from countersign.registrar.publishing.orders import all_waiting, collect
from countersign.registrar.publishing.publisher import catch_up, ensure_published, publish
from countersign.registrar.publishing.versions import touched
from countersign.registrar.vault.keyring import Keyring
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.zone.names import APEX
from countersign.rules.life_cycle import ENDED, PUBLISHED, State
from countersign.storage.database.engine import Database
from countersign.storage.database.holdings import ServerKey
from countersign.storage.database.servers import Server
from tests.registrar.conftest import Clock
from tests.registrar.operations import treasury
from tests.registrar.operations.treasury import OLD
from tests.registrar.postgres import Postgres
from tests.registrar.publishing.checking import (
    Nodes,
    check_journal,
    check_published,
    copy_now,
    image_now,
    serial_now,
    versions,
)
from tests.registrar.publishing.making import PIN, SIGNING

choices = st.integers(0, 30)
"""One of those there are: the number modulo how many."""
reasons = st.sampled_from(["spam", "open relay; again", "Gr\u00fc\u00dfe"])
ADDRESSES = ["192.0.2.1", "192.0.2.2", "127.0.0.2", "2001:db8::1", "127.0.0.1"]
_numbers = itertools.count(1)


class ZoneMachine(RuleBasedStateMachine):
    """A registrar at work, whose publisher runs now and then, crashes, and loses its copy."""

    def __init__(self, office: Office, clock: Clock) -> None:
        super().__init__()
        self.office, self.clock = office, clock
        self.seen: dict[int, Nodes] = {}

    def attempt(self, what: Callable[[Work], Any]) -> None:
        """Do something in a transaction; if it is refused nothing has changed."""
        try:
            with self.office.work() as work:
                what(work)
        except OperationError:
            return

    def server(self, work: Work, choice: int, *states: State) -> Server:
        """Return one of the servers, in one of some states if one is."""
        rows = work.session.scalars(select(Server).order_by(Server.id)).all()
        fit = [one for one in rows if one.state in states] or rows
        return fit[choice % len(fit)]

    @initialize()
    def begin(self) -> None:
        """Make the staff, and the first version."""
        self.adjudicator = treasury.adjudicator(self.office)
        self.second = treasury.second_adjudicator(self.office)
        self.apply(pays=True)
        self.start()

    @rule(pays=st.booleans())
    def apply(self, pays: bool) -> None:
        """Make an offer to a new server."""
        server_id = treasury.make_offered(self.office, registered_on=OLD)
        if pays:
            self.take_up(server_id)

    def take_up(self, server_id: int) -> None:
        treasury.accept_contract(self.office, server_id)
        treasury.pay_all(self.office, server_id)

    @rule(choice=choices)
    def pay(self, choice: int) -> None:
        """Pay what a server is asked for: it may begin, or renew, or come back."""
        with self.office.reading() as work:
            server_id = self.server(work, choice, State.OFFERED, State.LAPSED).id
        try:
            self.take_up(server_id)
        except OperationError:
            return

    @rule(choice=choices)
    def come_again(self, choice: int) -> None:
        """Let the host of an ended registration apply anew."""
        with self.office.reading() as work:
            server = self.server(work, choice, *ENDED)
            live = select(Server.id).where(
                Server.hostname == server.hostname, Server.state.not_in(ENDED)
            )
            if server.state not in ENDED or work.session.scalars(live).first() is not None:
                return
        server_id = treasury.make_offered(self.office, registered_on=OLD, hostname=server.hostname)
        self.take_up(server_id)

    @rule(
        choice=choices,
        reason=reasons,
        remedy=st.sampled_from(["", "Name the user."]),
        publishes=st.booleans(),
    )
    def suspend(self, choice: int, reason: str, remedy: str, publishes: bool) -> None:
        """Suspend a server; what comes after it may be published alone."""
        self.attempt(
            lambda work: sanctions.suspend(
                work,
                self.adjudicator,
                self.server(work, choice, State.ACTIVE),
                reason="Report.",
                public_reason=reason,
                remedy=remedy,
            )
        )
        if publishes:
            self.publish()

    @rule(choice=choices, reason=reasons)
    def change_suspension(self, choice: int, reason: str) -> None:
        """Say another reason."""
        self.attempt(
            lambda work: sanctions.change_suspension(
                work,
                self.adjudicator,
                self.server(work, choice, State.SUSPENDED),
                reason="Report.",
                public_reason=reason,
                remedy="Name the user.",
            )
        )

    @rule(choice=choices)
    def remedy(self, choice: int) -> None:
        """Say that a suspension's cause is removed."""
        self.attempt(
            lambda work: sanctions.mark_remedy_done(
                work, self.adjudicator, self.server(work, choice, State.SUSPENDED), "Done."
            )
        )

    @rule(choice=choices)
    def reinstate(self, choice: int) -> None:
        """Reinstate a server by decision."""
        self.attempt(
            lambda work: sanctions.reinstate(
                work, self.adjudicator, self.server(work, choice, State.SUSPENDED), "Done."
            )
        )

    @rule(choice=choices)
    def strike_off(self, choice: int) -> None:
        """Strike a server off."""
        self.attempt(
            lambda work: deregistration.propose_deregistration(
                work, self.adjudicator, self.server(work, choice, *PUBLISHED), reason="Spam."
            )
        )
        self.attempt(
            lambda work: deregistration.deregister(
                work, self.second, self.server(work, choice, *PUBLISHED)
            )
        )

    @rule(choice=choices)
    def withdraw(self, choice: int) -> None:
        """Let an owner leave."""
        with self.office.reading() as work:
            server_id = self.server(work, choice, State.ACTIVE, State.LAPSED).id
        try:
            treasury.withdraw(self.office, server_id)
        except OperationError:
            return

    @rule(days=st.sampled_from([1, 20, 340, 400]))
    def time_passes(self, days: int) -> None:
        """Let the daily work be done after some days: fees and offers lapse."""
        self.clock.advance(days=days)
        for step in (lapse_offers, fees.run_daily, suspend_debtors, end_lapsed):
            step(self.office)

    @rule(choice=choices, selector=st.sampled_from(["", "s1", "s2", "s1.main"]))
    def register_key(self, choice: int, selector: str) -> None:
        """Register a pin, or a key that signs."""

        def do(work: Work) -> None:
            server = self.server(work, choice, *PUBLISHED)
            purpose = KeyPurpose.DKIM if selector else KeyPurpose.TLS
            content = SIGNING if selector else PIN.replace("ab", f"{choice:02x}")
            owner = treasury.owner_of(work, server)
            server_keys.register_key(
                work, owner, server, purpose, content=content, selector=selector
            )

        self.attempt(do)

    @rule(choice=choices, rotates=st.booleans())
    def revoke_key(self, choice: int, rotates: bool) -> None:
        """Revoke a key, or put another in its place."""

        def do(work: Work) -> None:
            rows = work.session.scalars(
                select(ServerKey).where(ServerKey.revoked_at.is_(None)).order_by(ServerKey.id)
            ).all()
            if not rows:
                return
            key = rows[choice % len(rows)]
            server = work.session.get_one(Server, key.server_id)
            owner = treasury.owner_of(work, server)
            if rotates:
                content = PIN.replace("ab", "cd") if key.purpose == "tls" else SIGNING
                selector = f"n{choice}" if key.selector else ""
                server_keys.rotate_key(
                    work, owner, server, key.id, content=content, selector=selector
                )
            else:
                server_keys.revoke_key(work, owner, server, key.id)

        self.attempt(do)

    @rule(
        choice=choices,
        found=st.sets(st.sampled_from(ADDRESSES)),
        told=st.sets(st.sampled_from((4, 6))),
    )
    def resolve(self, choice: int, found: set[str], told: set[int]) -> None:
        """Let the DNS tell other addresses, of some families."""
        families = {
            version: frozenset(one for one in found if (":" in one) == (version == 6))
            for version in told
        }
        with self.office.work() as work:
            record(work, [Found(self.server(work, choice, *PUBLISHED).id, families)])

    @rule()
    def forget_addresses(self) -> None:
        """Remove the addresses of those who left."""
        forget_those_who_left(self.office)

    @rule()
    def publish(self) -> None:
        """Let the publisher do its work, and then the primary."""
        publish(self.office)
        with open_zone_copy(self.office) as copy:
            catch_up(self.office, copy)
        self.look()

    @rule()
    def start(self) -> None:
        """Start the service."""
        ensure_published(self.office)
        self.look()

    @rule()
    def crash(self) -> None:
        """Let the publisher die after a version is committed, before its copy is there."""

        def die(*_: Any) -> None:
            raise _CrashError

        whole = publisher._bring_up
        publisher._bring_up = die
        try:
            publish(self.office)
        except _CrashError:
            pass
        finally:
            publisher._bring_up = whole

    @rule()
    def lose_copy(self) -> None:
        """Delete the copy."""
        shutil.rmtree(zone_directory(self.office.config), ignore_errors=True)

    @rule()
    def cut_journal(self) -> None:
        """Remove old versions."""
        prune(self.office)

    def look(self) -> None:
        self.seen[serial_now(self.office)] = check_published(self.office)
        check_journal(self.office, self.seen)

    @invariant()
    def what_is_to_be_published_is_ordered(self) -> None:
        """Orders that wait name everything in which the zone is not the image."""
        if not versions(self.office) or not zone_directory(self.office.config).exists():
            return
        with open_zone_copy(self.office) as copy:
            if follow(self.office, copy) is not Place.CURRENT:
                return
            self.check_orders(copy)

    def check_orders(self, copy: ZoneCopy) -> None:
        before, after = copy_now(self.office), image_now(self.office)
        before.pop(APEX)
        differ = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        with self.office.reading() as work, copy.reader().snapshot() as snapshot:
            waiting = collect(work, 0)
            assert waiting.ids == all_waiting(work)
            changes = touched(work, snapshot, waiting.hosts, waiting.addresses)
        assert {one.key for one in changes} == differ


class _CrashError(Exception):
    pass


def check_any_order(new_url: Callable[[], str], examples: int, steps: int) -> None:
    """Do things in any order, each time with an empty database."""
    with tempfile.TemporaryDirectory() as name:
        keyring = Keyring(Path(name) / "keyring.json")
        opened: list[Database] = []

        def machine() -> ZoneMachine:
            while opened:
                opened.pop().close()
            database = Database(new_url())
            if database.is_sqlite:
                # Thrown away: nothing need survive a power cut.
                event.listen(
                    database.engine, "connect", lambda one, _: one.execute("PRAGMA synchronous=OFF")
                )
            opened.append(database)
            clock = Clock()
            directory = Path(name) / str(next(_numbers))
            config = RegistrarConfig(state_directory=directory)
            limited = config.publication.model_copy(update={"simple_digest_records": 25})
            config = config.model_copy(update={"publication": limited})
            return ZoneMachine(Office(config, database, keyring, clock), clock)

        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                # The same courses in every run: what is found here is found by everybody.
                derandomize=True,
                # To make a course shorter takes many databases, and minutes.
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
        for database in opened:
            database.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_zone_is_the_image_of_the_database_on_sqlite(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    def new_url() -> str:
        file = tmp_path / f"{next(_numbers)}.sqlite"
        shutil.copy(migrated_sqlite, file)
        return f"sqlite:///{file}"

    check_any_order(new_url, examples=20, steps=50)


@pytest.mark.slow
@pytest.mark.peer
@pytest.mark.timeout(900)
def test_the_zone_is_the_image_of_the_database_on_postgresql(postgres: Postgres) -> None:
    names: list[str] = []

    def new_url() -> str:
        names.append(postgres.make())
        return postgres.url(names[-1])

    check_any_order(new_url, examples=3, steps=40)
    for name in names:
        postgres.drop(name)
