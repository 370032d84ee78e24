"""Privileged users, keys and traps of registered servers."""

from __future__ import annotations

import base64
import datetime
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from countersign.mail.dkim.key_record import normalise_key_record
from countersign.registrar.documents.text import Kind, current
from countersign.registrar.operations import holdings, server_keys, traps
from countersign.registrar.operations.office import (
    ForbiddenError,
    NotFoundError,
    Office,
    OperationError,
)
from countersign.registrar.operations.server_keys import KeyPurpose
from countersign.rules.roles import Role
from countersign.storage.database.holdings import ServerKey, Trap
from countersign.storage.database.jobs import Job
from countersign.storage.database.servers import Server, ServerEvent
from tests.registrar.operations import life

VERSION = current(Kind.PRIVILEGED_USER_AGREEMENT)
DAY = datetime.date(2026, 2, 1)
PIN = "3 1 1 " + "ab" * 32


def a_dkim_key() -> str:
    octets = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode()}"


def register(office: Office, server_id: int, identifier: str = "user-7", **how: object) -> int:
    values = {"agreement_version": VERSION, "accepted_on": DAY, **how}
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        actor = values.pop("actor", None) or life.applicant_of(server)
        return holdings.register_user(work, actor, server, identifier=identifier, **values).id  # type: ignore[arg-type]


def add_key(
    office: Office, server_id: int, purpose: KeyPurpose, content: str, selector: str = ""
) -> ServerKey:
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        return server_keys.register_key(
            work, life.applicant_of(server), server, purpose, content=content, selector=selector
        )


def revoke_key(office: Office, server_id: int, key_id: int) -> None:
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        server_keys.revoke_key(work, life.applicant_of(server), server, key_id)


def keys(office: Office, server_id: int) -> list[ServerKey]:
    with office.reading() as work:
        return server_keys.keys_of(work, work.session.get_one(Server, server_id))


def published(office: Office) -> int:
    with office.reading() as work:
        return len(work.session.scalars(select(Job.id).where(Job.kind == "publish")).all())


def actions(office: Office, server_id: int) -> list[str]:
    with office.reading() as work:
        statement = select(ServerEvent.action).where(ServerEvent.server_id == server_id)
        return list(work.session.scalars(statement.order_by(ServerEvent.id)))


def test_a_privileged_user_is_registered_and_revoked_and_may_come_back(office: Office) -> None:
    server_id = life.make_active(office)
    user = register(office, server_id)
    with pytest.raises(OperationError, match="already"):
        register(office, server_id)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        holdings.revoke_user(work, life.applicant_of(server), server, user)
    with pytest.raises(NotFoundError), office.work() as work:
        server = work.session.get_one(Server, server_id)
        holdings.revoke_user(work, life.applicant_of(server), server, user)
    again = register(office, server_id)
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        assert [one.id for one in holdings.users_of(work, server).rows] == [again]
        assert len(holdings.users_of(work, server, revoked=True).rows) == 2
    assert actions(office, server_id)[-3:] == [
        "user-registered",
        "user-revoked",
        "user-registered",
    ]


def test_the_log_does_not_name_the_user(office: Office) -> None:
    server_id = life.make_active(office)
    register(office, server_id, "Anna Secret")
    with office.reading() as work:
        event = work.session.scalars(select(ServerEvent).order_by(ServerEvent.id.desc())).first()
    assert event is not None
    assert "Anna" not in f"{event.details} {event.reason}"


@pytest.mark.parametrize(
    ("identifier", "how"),
    [
        ("", {}),
        ("x" * 300, {}),
        ("user\x00", {}),
        ("user", {"agreement_version": "1999-1"}),
        ("user", {"agreement_version": "../../etc/passwd"}),
        ("user", {"accepted_on": datetime.date(2026, 3, 3)}),
        ("user", {"accepted_on": datetime.date(1999, 1, 1)}),
    ],
)
def test_what_cannot_be_right_is_refused(
    office: Office, identifier: str, how: dict[str, object]
) -> None:
    server_id = life.make_active(office)
    with pytest.raises(OperationError):
        register(office, server_id, identifier, **how)


def test_a_suspended_server_keeps_its_books_and_one_that_is_not_active_has_none(
    office: Office,
) -> None:
    register(office, life.make_suspended(office))
    with pytest.raises(OperationError, match="not active"):
        register(office, life.make_offered(office))


@pytest.mark.parametrize("role", [Role.AGENT, Role.ADMIN_CONTACT, Role.SCREENER, Role.AUDITOR])
def test_only_the_owner_manages_users_and_keys(office: Office, role: Role) -> None:
    server_id = life.make_active(office)
    actor = life.staff(office, role)
    with pytest.raises(ForbiddenError):
        register(office, server_id, actor=actor)
    with pytest.raises(ForbiddenError), office.work() as work:
        server = work.session.get_one(Server, server_id)
        server_keys.register_key(work, actor, server, KeyPurpose.TLS, content=PIN)


def test_users_of_another_server_cannot_be_revoked(office: Office) -> None:
    mine, others = life.make_active(office), life.make_active(office)
    user = register(office, others)
    with pytest.raises(NotFoundError), office.work() as work:
        server = work.session.get_one(Server, mine)
        holdings.revoke_user(work, life.applicant_of(server), server, user)


def test_a_signing_key_is_kept_in_one_form_and_published(office: Office) -> None:
    server_id = life.make_active(office)
    before, record = published(office), a_dkim_key()
    untidy = record.replace("; ", ";\r\n ") + ";"
    key = add_key(office, server_id, KeyPurpose.DKIM, untidy, "S2026._domainkey")
    assert (key.selector, key.content) == ("s2026", record)
    assert published(office) == before + 1
    revoke_key(office, server_id, key.id)
    assert published(office) == before + 2
    assert keys(office, server_id) == []
    assert actions(office, server_id)[-2:] == ["key-registered", "key-revoked"]


def test_a_selector_has_one_key_and_a_key_is_registered_once(office: Office) -> None:
    server_id = life.make_active(office)
    record = a_dkim_key()
    add_key(office, server_id, KeyPurpose.DKIM, record, "one")
    with pytest.raises(OperationError, match="already"):
        add_key(office, server_id, KeyPurpose.DKIM, record, "one")
    with pytest.raises(OperationError, match="selector"):
        add_key(office, server_id, KeyPurpose.DKIM, a_dkim_key(), "one")
    add_key(office, server_id, KeyPurpose.DKIM, a_dkim_key(), "two")


def test_a_pin_is_kept_in_one_form(office: Office) -> None:
    server_id = life.make_active(office)
    key = add_key(office, server_id, KeyPurpose.TLS, "1 1  " + "AB" * 32)
    assert (key.selector, key.content) == ("", PIN)
    with pytest.raises(OperationError, match="already"):
        add_key(office, server_id, KeyPurpose.TLS, PIN)


@pytest.mark.parametrize(
    "content", ["", "3 1 1 ab", "3 1 0 " + "ab" * 32, "3 1 1 " + "ab" * 64, "3 1 2 " + "zz" * 64]
)
def test_a_pin_that_no_key_can_match_is_refused(office: Office, content: str) -> None:
    server_id = life.make_active(office)
    with pytest.raises(OperationError):
        add_key(office, server_id, KeyPurpose.TLS, content)


@pytest.mark.parametrize("selector", ["", "a b", "-x", "x" * 64, "a..b", "a_b"])
def test_a_selector_that_the_dns_cannot_have_is_refused(office: Office, selector: str) -> None:
    server_id = life.make_active(office)
    with pytest.raises(OperationError):
        add_key(office, server_id, KeyPurpose.DKIM, a_dkim_key(), selector)


def test_a_key_is_rotated_in_one_step(office: Office) -> None:
    server_id = life.make_active(office)
    old = add_key(office, server_id, KeyPurpose.TLS, PIN)
    new_pin = "3 1 2 " + "cd" * 64
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        server_keys.rotate_key(work, life.applicant_of(server), server, old.id, content=new_pin)
    assert [key.content for key in keys(office, server_id)] == [new_pin]


def test_a_rotation_to_a_bad_key_leaves_the_old_one(office: Office) -> None:
    server_id = life.make_active(office)
    old = add_key(office, server_id, KeyPurpose.TLS, PIN)
    with pytest.raises(OperationError), office.work() as work:
        server = work.session.get_one(Server, server_id)
        server_keys.rotate_key(work, life.applicant_of(server), server, old.id, content="nonsense")
    assert [key.id for key in keys(office, server_id)] == [old.id]


def test_a_server_has_some_keys_at_a_time(office: Office) -> None:
    server_id = life.make_active(office)
    for number in range(server_keys.KEYS_OF_PURPOSE):
        add_key(office, server_id, KeyPurpose.TLS, f"3 1 1 {number:064x}")
    with pytest.raises(OperationError, match="too many"):
        add_key(office, server_id, KeyPurpose.TLS, PIN)


def test_a_key_of_another_server_cannot_be_revoked(office: Office) -> None:
    mine, others = life.make_active(office), life.make_active(office)
    key = add_key(office, others, KeyPurpose.TLS, PIN)
    with pytest.raises(NotFoundError):
        revoke_key(office, mine, key.id)


def test_a_server_is_given_traps_when_it_becomes_active_and_not_again_later(
    office: Office,
) -> None:
    server_id = life.make_suspended(office)
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        server.remedy_done_at = work.now
        life.move(work, server, life.Action.REINSTATE, adjudicator, reason="Done.")
    with office.reading() as work:
        given = traps.traps_of(work, work.session.get_one(Server, server_id))
        letters = [
            job.payload
            for job in work.session.scalars(select(Job).where(Job.kind == "mail"))
            if job.payload["template"] == "traps"
        ]
    assert len(given) == office.config.traps == 3
    assert len(letters) == 1
    assert "@" not in str(letters)


def test_a_registrar_may_do_without_traps(office: Office) -> None:
    server_id = life.make_active(life.configured(office, traps=0))
    with office.reading() as work:
        assert traps.traps_of(work, work.session.get_one(Server, server_id)) == []


def test_traps_look_like_people_and_cannot_be_guessed() -> None:
    names = {traps.make_local_part() for _ in range(2000)}
    assert len(names) == 2000
    assert all(re.match(r"[a-z]+\.[a-z]+\.[a-z2-9]{8}\Z", name) for name in names)
    assert all(len(name) <= 64 for name in names)
    assert len({name[-8:] for name in names}) == 2000


def test_a_trap_that_got_about_is_replaced_and_its_name_never_used_again(office: Office) -> None:
    server_id = life.make_active(office)
    adjudicator = life.staff(office, Role.ADJUDICATOR)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        old = traps.traps_of(work, server)[0]
        new = holdings.replace_trap(work, adjudicator, server, old.id, "It was published twice.")
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        current_names = {one.local_part for one in traps.traps_of(work, server)}
        all_names = {one.local_part for one in traps.traps_of(work, server, retired=True)}
    assert new.local_part in current_names
    assert old.local_part in all_names - current_names
    assert len(all_names) == 4


def test_owners_do_not_choose_their_traps(office: Office) -> None:
    server_id = life.make_active(office)
    with pytest.raises(ForbiddenError), office.work() as work:
        server = work.session.get_one(Server, server_id)
        trap = traps.traps_of(work, server)[0]
        holdings.replace_trap(work, life.applicant_of(server), server, trap.id, "I like it not.")


def test_users_are_listed_page_by_page(office: Office) -> None:
    server_id = life.make_active(office)
    made = [register(office, server_id, f"user-{number}") for number in range(5)]
    with office.reading() as work:
        server = work.session.get_one(Server, server_id)
        first = holdings.users_of(work, server, limit=3)
        second = holdings.users_of(work, server, cursor=first.next, limit=3)
    assert [one.id for one in (*first.rows, *second.rows)] == made[::-1]


def test_there_is_a_bound_to_privileged_users(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "MOST_USERS", 2)
    server_id = life.make_active(office)
    register(office, server_id, "one")
    register(office, server_id, "two")
    with pytest.raises(OperationError, match="at most"):
        register(office, server_id, "three")


def test_rsa_keys_are_taken_too(office: Office) -> None:
    server_id = life.make_active(office)
    octets = (
        rsa.generate_private_key(65537, 2048)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    record = f"p={base64.b64encode(octets).decode()}"
    key = add_key(office, server_id, KeyPurpose.DKIM, record, "rsa1")
    assert key.content == normalise_key_record(record)


def test_everything_here_belongs_to_one_server(office: Office) -> None:
    """What is listed for one server is never another's."""
    mine, others = life.make_active(office), life.make_active(office)
    register(office, others)
    add_key(office, others, KeyPurpose.TLS, PIN)
    with office.reading() as work:
        server = work.session.get_one(Server, mine)
        assert holdings.users_of(work, server).rows == []
        assert server_keys.keys_of(work, server) == []
        mine_traps = {one.id for one in traps.traps_of(work, server)}
        every = work.session.scalars(select(Trap)).all()
    assert mine_traps == {one.id for one in every if one.server_id == mine}
