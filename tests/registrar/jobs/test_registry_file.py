"""The registry as a file for gateways beside the registrar."""

from __future__ import annotations

import asyncio
import datetime
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from countersign.registrar.jobs.handlers import KINDS
from countersign.registrar.jobs.registry_file import write_registry_file
from countersign.registrar.jobs.worker import Workers
from countersign.registrar.operations.office import Actor, Office, utc_now
from countersign.registrar.operations.transitions import move
from countersign.registry.file import FileRegistry, load_registry_file
from countersign.registry.lookup import RegistryEntry, Standing
from countersign.rules.life_cycle import Action, State
from countersign.rules.roles import Role
from countersign.storage.database.holdings import ServerKey
from countersign.storage.database.jobs import Job, JobState
from countersign.storage.database.servers import ApplicantKind, Server
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations import life

PIN = f"3 1 1 {'ab' * 32}"


def with_file(office: Office, path: Path) -> Office:
    return replace(office, config=office.config.model_copy(update={"registry_file": path}))


def add_server(office: Office, hostname: str, state: State = State.ACTIVE, reason: str = "") -> int:
    owner = life.make_account(office, life.OWNER_EMAIL)
    with office.work() as work:
        server = Server(
            hostname=hostname,
            state=state,
            state_since=work.now,
            owner_id=owner,
            kind=ApplicantKind.INDIVIDUAL,
            created_at=work.now,
            public_reason=reason,
        )
        work.session.add(server)
        work.session.flush()
        return server.id


def add_pin(office: Office, server_id: int, content: str, *, revoked: bool = False) -> None:
    with office.work() as work:
        work.session.add(
            ServerKey(
                server_id=server_id,
                purpose="tls",
                selector="",
                content=content,
                registered_at=work.now,
                revoked_at=work.now if revoked else None,
            )
        )


@pytest.fixture(params=["registry.json", "registry.toml"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def test_the_file_says_how_each_published_server_stands(office: Office, path: Path) -> None:
    office = with_file(office, path)
    good = add_server(office, "a.example.org")
    add_pin(office, good, PIN)
    add_pin(office, good, PIN.replace("ab", "cd"))
    add_pin(office, good, PIN.replace("ab", "ef"), revoked=True)
    reason = 'Sent "bulk" mail\\ to \u4e16\u754c\x7f'
    add_server(office, "b.example.org", State.SUSPENDED, reason)
    for state in set(State) - {State.ACTIVE, State.SUSPENDED}:
        add_server(office, f"{state}.example.org", state)
    write_registry_file(office)
    entries = load_registry_file(path)
    assert entries.keys() == {"a.example.org", "b.example.org"}
    assert entries["a.example.org"].standing is Standing.REGISTERED
    assert [pin.data.hex()[:2] for pin in entries["a.example.org"].pins] == ["ab", "cd"]
    assert entries["b.example.org"] == RegistryEntry(
        "b.example.org", Standing.SUSPENDED, (), reason
    )
    assert path.stat().st_mode & 0o777 == 0o644


def test_an_empty_registry_is_a_good_file(office: Office, path: Path) -> None:
    write_registry_file(with_file(office, path))
    assert load_registry_file(path) == {}


def test_an_entry_that_gateways_could_not_read_costs_no_other(office: Office, path: Path) -> None:
    office = with_file(office, path)
    add_pin(office, add_server(office, "bad.example.org"), "3 1 1 no-hex")
    add_server(office, "not a name")
    add_server(office, "good.example.org")
    write_registry_file(office)
    assert list(load_registry_file(path)) == ["good.example.org"]


def test_many_decisions_cause_one_writing(office: Office, path: Path) -> None:
    office = with_file(office, path)
    with office.work() as work:
        for number in range(50):
            work.order("publish", {"event": number})
    assert do_jobs(office, ["publish"]) == [("publish", "done")]
    with office.reading() as work:
        assert set(work.session.scalars(select(Job.state))) == {JobState.DONE}


def test_nothing_is_written_where_no_file_is_wanted(office: Office, tmp_path: Path) -> None:
    with office.work() as work:
        work.order("publish", {"event": 1})
    assert do_jobs(office, ["publish"]) == [("publish", "done")]


def test_a_directory_that_is_away_is_tried_again(office: Office, tmp_path: Path) -> None:
    office = with_file(office, tmp_path / "away" / "registry.json")
    with office.work() as work:
        work.order("publish", {"event": 1})
    assert do_jobs(office, ["publish"]) == [("publish", "later")]
    with office.reading() as work:
        assert work.session.scalars(select(Job.error)).all() == [
            "the registry file: No such file or directory"
        ]


def test_readers_see_whole_files_while_writers_race(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    office = with_file(office, path)
    for number in range(40):
        add_server(office, f"mail{number}.example.org")
    write_registry_file(office)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            write_registry_file(office)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    counts = {len(load_registry_file(path)) for _ in range(200)}
    stop.set()
    for writer in writers:
        writer.join()
    assert counts == {40}
    assert sorted(file.name for file in tmp_path.glob(".registry*")) == [".registry.json.lock"]


def test_a_decision_reaches_a_gateway_within_two_seconds(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    office = replace(with_file(office, path), clock=utc_now)
    server_id = add_server(office, "mail.example.org")
    write_registry_file(office)
    registry = FileRegistry(path)

    def standing() -> Standing:
        return asyncio.run(registry.look_up("mail.example.org")).standing

    assert standing() is Standing.REGISTERED
    judge = life.make_account(office, "", Role.ADJUDICATOR)
    with Workers(office, KINDS, threads=1) as workers:
        with office.work() as work:
            server = work.session.get_one(Server, server_id)
            server.public_reason = "It sent bulk mail."
            move(work, server, Action.SUSPEND, Actor(Role.ADJUDICATOR, judge), reason="Report 7.")
        begin = time.monotonic()
        while standing() is not Standing.SUSPENDED:
            assert time.monotonic() - begin < 2
            time.sleep(0.01)
        workers.stop(10)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_large_registry_is_written_in_bounded_memory(office: Office, tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "registry.json"
    office = with_file(office, path)
    owner = life.make_account(office, life.OWNER_EMAIL)
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    with office.work() as work:
        work.session.execute(
            insert(Server),
            [
                {
                    "hostname": f"mail{number}.example.org",
                    "state": State.ACTIVE,
                    "state_since": now,
                    "owner_id": owner,
                    "kind": ApplicantKind.INDIVIDUAL,
                    "created_at": now,
                    "bond_reasons": [],
                }
                for number in range(30_000)
            ],
        )
    tracemalloc.start()
    write_registry_file(office)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(json.loads(path.read_text())["server"]) == 30_000
    assert peak < 8_000_000
