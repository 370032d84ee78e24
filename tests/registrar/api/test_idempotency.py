"""A change that is sent again is done once."""

from __future__ import annotations

import datetime
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from countersign.registrar.api import holdings
from countersign.registrar.jobs.daily import run_daily
from countersign.registrar.operations.office import Office, Work
from countersign.storage.database.accounts import IdempotentAnswer
from countersign.storage.database.holdings import PrivilegedUser
from countersign.storage.database.jobs import Job
from countersign.storage.database.servers import ServerEvent
from tests.registrar.api.programs import Desk, Program, about, good, refused
from tests.registrar.operations import life, treasury

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock

ACCEPTED = {"accepted_on": "2026-03-01"}


@pytest.fixture
def server_id(office: Office) -> int:
    return treasury.make_active(office)


@pytest.fixture
def program(desk: Desk, office: Office, server_id: int) -> Program:
    return desk.program(treasury.server_of(office, server_id).owner_id)


@pytest.fixture
def users(server_id: int) -> str:
    return f"/servers/{server_id}/privileged-users"


def count(office: Office, model: Any) -> int:
    with office.reading() as work:
        return int(work.session.scalar(select(func.count()).select_from(model)) or 0)


def answers(office: Office) -> list[IdempotentAnswer]:
    with office.reading() as work:
        return list(work.session.scalars(select(IdempotentAnswer)))


def test_the_same_key_gets_the_same_answer(office: Office, program: Program, users: str) -> None:
    new = {"identifier": "17", **ACCEPTED}
    first = good(program.post(users, new, key="a"), 201)
    again = good(program.post(users, new, key="a"), 201)
    assert again.content == first.content
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert count(office, PrivilegedUser) == 1


def test_headers_and_empty_answers_are_given_again_too(
    desk: Desk, office: Office, program: Program, users: str
) -> None:
    new = {"hostname": life.a_hostname(), "kind": "individual"}
    first, again = (good(program.post("/servers", new, key="a"), 201) for _ in range(2))
    assert again.headers["Location"] == first.headers["Location"]
    user = good(program.post(users, {"identifier": "17", **ACCEPTED}), 201).json()["id"]
    for _ in range(2):
        assert good(program.delete(f"{users}/{user}", key="b"), 204).content == b""
    refused(program.delete(f"{users}/{user}"), 404)


def test_without_a_key_it_is_another_request(program: Program, users: str) -> None:
    new = {"identifier": "17", **ACCEPTED}
    good(program.post(users, new), 201)
    refused(program.post(users, new), 422, "registered already")


def test_the_same_key_for_another_request_is_refused(
    office: Office, program: Program, users: str, server_id: int
) -> None:
    new = {"identifier": "17", **ACCEPTED}
    good(program.post(users, new, key="a"), 201)
    refused(program.post(users, {**new, "identifier": "18"}, key="a"), 422, "another request")
    refused(program.post(f"/servers/{server_id}/tests", key="a"), 422, "another request")
    refused(program.post("/servers", new, key="a"), 400)
    assert count(office, PrivilegedUser) == 1


def test_where_the_address_has_parameters_they_are_part_of_the_request(
    desk: Desk, office: Office
) -> None:
    from tests.registrar.api.test_applications import scan

    draft = life.make_draft(office)
    program = desk.program(treasury.server_of(office, draft).owner_id)
    where = f"/servers/{draft}/documents"

    def attach(subject: str) -> Any:
        params = {"kind": "birth-certificate", "subject": subject}
        return program.call("POST", where, params=params, content=scan(7), key="a")

    first = good(attach("owner"), 201)
    assert good(attach("owner"), 201).content == first.content
    refused(attach("director-1"), 422, "another request")


def test_a_key_is_the_programs_own(desk: Desk, office: Office, server_id: int, users: str) -> None:
    owner = treasury.server_of(office, server_id).owner_id
    for number in range(2):
        program = desk.program(owner)
        good(program.post(users, {"identifier": str(number), **ACCEPTED}, key="a"), 201)
    assert count(office, PrivilegedUser) == 2


def test_a_key_is_a_word_of_bounded_length(program: Program, users: str) -> None:
    for key in ("", " ", "é", "a b", "x" * 256):
        headers = {"Idempotency-Key": key.encode("latin-1")}
        answer = program.post(users, {"identifier": "17", **ACCEPTED}, headers=headers)
        with about(key):
            refused(answer, 400, "Idempotency-Key")


def test_a_refusal_is_not_kept(program: Program, users: str, clock: Clock) -> None:
    new = {"identifier": "17", "accepted_on": "2026-03-03"}
    refused(program.post(users, new, key="a"), 422)
    clock.advance(days=1)
    good(program.post(users, new, key="a"), 201)


def test_of_requests_at_one_time_with_one_key_one_is_done(
    desk: Desk, office: Office, server_id: int, users: str
) -> None:
    owner = treasury.server_of(office, server_id).owner_id
    token = desk.token(owner)
    together = threading.Barrier(8)
    found: list[tuple[int, bytes, bool]] = []

    def send() -> None:
        program = desk.with_token(token)
        together.wait()
        answer = program.post(users, {"identifier": "17", **ACCEPTED}, key="a")
        replayed = "Idempotent-Replayed" in answer.headers
        found.append((answer.status_code, answer.content, replayed))

    before = count(office, ServerEvent)
    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert {one[:2] for one in found} == {(201, found[0][1])}
    assert sorted(replayed for *_, replayed in found) == [False] + [True] * 7
    assert count(office, PrivilegedUser) == 1
    assert count(office, ServerEvent) == before + 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_in_between_leaves_nothing_and_the_key_free(
    office: Office, program: Program, users: str, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    real = holdings.holdings.register_user

    def crash(work: Work, *what: Any, **how: Any) -> Any:
        if when == "after":
            real(work, *what, **how)
        raise RuntimeError("out of memory")

    before = count(office, ServerEvent), count(office, Job)
    new = {"identifier": "17", **ACCEPTED}
    with monkeypatch.context() as patch:
        patch.setattr(holdings.holdings, "register_user", crash)
        refused(program.post(users, new, key="a"), 500, "nothing was changed")
    assert count(office, PrivilegedUser) == count(office, IdempotentAnswer) == 0
    assert (count(office, ServerEvent), count(office, Job)) == before
    answer = good(program.post(users, new, key="a"), 201)
    assert "Idempotent-Replayed" not in answer.headers


def test_what_is_kept_cannot_be_read_nor_guessed_from_the_database(
    desk: Desk, office: Office
) -> None:
    draft = life.make_draft(office, complete=False)
    program = desk.program(treasury.server_of(office, draft).owner_id)
    values = {"name": "Zoë Müller", "phone": "+61 2 9876 5432", "email": "zoe@muller.com.au"}
    values |= {"proof": "passport"}
    saved = good(program.put(f"/servers/{draft}/steps/admin-contact", values, key="a"))
    assert saved.json()["values"]["email"] == "zoe@muller.com.au"
    (kept,) = answers(office)
    assert b"muller" not in kept.body
    assert kept.headers == {"ETag": saved.headers["ETag"]}


def test_answers_are_forgotten_after_a_day(
    office: Office, program: Program, users: str, clock: Clock
) -> None:
    new = {"identifier": "17", **ACCEPTED}
    good(program.post(users, new, key="a"), 201)
    clock.advance(hours=23)
    run_daily(office)
    assert "Idempotent-Replayed" in good(program.post(users, new, key="a"), 201).headers
    clock.advance(hours=2)
    run_daily(office)
    assert answers(office) == []
    assert clock.now.date() > datetime.date(2026, 3, 2)


def test_after_the_master_key_was_retired_it_is_still_not_done_twice(
    office: Office, program: Program, users: str
) -> None:
    new = {"identifier": "17", **ACCEPTED}
    good(program.post(users, new, key="a"), 201)
    old = office.keyring.current_key_id
    office.keyring.rotate()
    good(program.post(users, new, key="a"), 201)
    office.keyring.retire(old, lambda _key: False)
    refused(program.post(users, new, key="a"), 409, "done before")
    assert count(office, PrivilegedUser) == 1
