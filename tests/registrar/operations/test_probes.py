"""Probes: invited, enrolled, revoked."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from countersign.certification.signing import Purpose, public_text, verify
from countersign.registrar.operations import order_signing, probes
from countersign.registrar.operations.office import (
    SYSTEM,
    ForbiddenError,
    NotFoundError,
    Office,
    OperationError,
)
from countersign.registrar.operations.rewrapping import rewrap_all
from countersign.rules.roles import Role
from countersign.storage.database.accounts import AccessRecord
from countersign.storage.database.probing import Probe, SigningKey
from tests.registrar import probing
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations import life
from tests.registrar.operations.at_once import at_once

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock

WHERE = {"network": "192.0.2.0/24", "as_number": 64500}


def invite(office: Office, name: str = "lima", **where: Any) -> tuple[int, str]:
    with office.work() as work:
        probe, token = probes.invite(work, SYSTEM, name=name, **{**WHERE, **where})
        return probe.id, token


def enrol(office: Office, token: str, key: str = "", **said: Any) -> int:
    values = {"public_key": key or new_key(), "version": "1.0", **WHERE, **said}
    with office.work() as work:
        return probes.enrol(work, token=token, **values).id


def new_key() -> str:
    return public_text(Ed25519PrivateKey.generate().public_key())


def probe_of(office: Office, probe_id: int) -> Probe:
    with office.reading() as work:
        return work.session.get_one(Probe, probe_id)


def test_an_invited_probe_enrols_with_its_token_and_says_where_it_stands(office: Office) -> None:
    probe_id, token = invite(office, place="Lima")
    assert len(token) >= 43
    key = new_key()
    assert enrol(office, token, key) == probe_id
    probe = probe_of(office, probe_id)
    assert (probe.public_key, probe.version, probe.place) == (key, "1.0", "Lima")
    assert probe.enrolled_at is not None


def test_the_database_does_not_have_the_token(office: Office) -> None:
    probe_id, token = invite(office)
    probe = probe_of(office, probe_id)
    assert token not in {str(getattr(probe, one.name)) for one in Probe.__table__.columns}


def test_the_same_enrolment_may_be_sent_again_and_another_key_not(office: Office) -> None:
    probe_id, token = invite(office)
    key = new_key()
    assert enrol(office, token, key) == enrol(office, token, key) == probe_id
    with pytest.raises(NotFoundError):
        enrol(office, token)
    assert probe_of(office, probe_id).public_key == key


def test_of_two_that_use_a_token_at_once_one_is_enrolled(office: Office) -> None:
    probe_id, token = invite(office)
    keys = [new_key(), new_key()]
    results = at_once(*(lambda key=key: enrol(office, token, key) for key in keys))
    assert [one for one in results if isinstance(one, int)] == [probe_id]
    winner = keys[results.index(probe_id)]
    assert probe_of(office, probe_id).public_key == winner


def test_a_token_is_good_for_seven_days(office: Office, clock: Clock) -> None:
    _, token = invite(office)
    clock.advance(days=7)
    with pytest.raises(NotFoundError, match="ask the registrar for a new one"):
        enrol(office, token)


@pytest.mark.parametrize(
    "said",
    [
        {"network": "192.0.2.0/25"},
        {"network": "198.51.100.0/24"},
        {"as_number": 64501},
        {"as_number": None},
    ],
)
def test_a_probe_that_stands_elsewhere_is_refused(office: Office, said: dict[str, Any]) -> None:
    probe_id, token = invite(office)
    with pytest.raises(OperationError, match="not the network or AS number"):
        enrol(office, token, **said)
    assert probe_of(office, probe_id).enrolled_at is None


@pytest.mark.parametrize("key", ["", "x", "A" * 44, base64.b64encode(b"short").decode()])
def test_what_is_no_key_is_refused(office: Office, key: str) -> None:
    _, token = invite(office)
    with pytest.raises(OperationError, match="32 octets"), office.work() as work:
        probes.enrol(work, token=token, public_key=key, version="", **WHERE)  # type: ignore[arg-type]


def test_two_probes_do_not_share_a_key(office: Office) -> None:
    key = new_key()
    enrol(office, invite(office)[1], key)
    _, token = invite(office, "rome")
    with pytest.raises(OperationError, match="Another probe has this key"):
        enrol(office, token, key)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Über"},
        {"name": ""},
        {"name": "x" * 41},
        {"network": "192.0.2.1/24"},
        {"network": "nonsense"},
        {"as_number": 0},
        {"as_number": 2**32},
        {"place": "x" * 256},
        {"place": "two\nlines"},
    ],
)
def test_a_faulty_invitation_is_refused(office: Office, wrong: dict[str, Any]) -> None:
    with pytest.raises(OperationError):
        invite(office, **wrong)
    with office.reading() as work:
        assert probes.current(work) == []


def test_a_name_is_free_again_after_a_revocation(office: Office) -> None:
    probe_id, token = invite(office)
    with pytest.raises(OperationError, match="choose another name"):
        invite(office)
    with office.work() as work:
        probes.revoke(work, SYSTEM, work.session.get_one(Probe, probe_id))
    with pytest.raises(NotFoundError):
        enrol(office, token)
    again, _ = invite(office)
    with office.reading() as work:
        assert [one.id for one in probes.current(work)] == [again]
        assert probes.find(work, "LIMA ") is not None
        assert probes.enrolled(work, probe_id) is None
    with pytest.raises(NotFoundError), office.work() as work:
        probes.revoke(work, SYSTEM, work.session.get_one(Probe, probe_id))


def test_administrators_manage_probes_auditors_see_them_and_others_neither(
    office: Office,
) -> None:
    probe_id, _ = invite(office)
    for role in (Role.AUDITOR, Role.SCREENER, Role.ADJUDICATOR, Role.TREASURER):
        actor = life.staff(office, role)
        with pytest.raises(ForbiddenError), office.work() as work:
            probes.invite(work, actor, name="x", network="192.0.2.0/24")
        with pytest.raises(ForbiddenError), office.work() as work:
            probes.revoke(work, actor, work.session.get_one(Probe, probe_id))
    with office.reading() as work:
        for role in (Role.ADMINISTRATOR, Role.AUDITOR):
            assert probes.look_at(work, life.staff(office, role), probe_id).id == probe_id
        with pytest.raises(ForbiddenError):
            probes.look_at(work, life.staff(office, Role.SCREENER), probe_id)
    with office.work() as work:
        probes.invite(work, life.staff(office, Role.ADMINISTRATOR), name="x", network="::/0")


def test_what_is_done_with_a_probe_is_recorded_without_its_token(office: Office) -> None:
    probe_id, token = invite(office)
    enrol(office, token)
    with office.work() as work:
        probes.revoke(work, SYSTEM, work.session.get_one(Probe, probe_id))
    with office.reading() as work:
        records = work.session.scalars(select(AccessRecord).order_by(AccessRecord.id)).all()
    mine = [one for one in records if one.subject == f"probe:{probe_id}"]
    assert [one.what for one in mine] == ["probe invited", "probe enrolled", "probe revoked"]
    assert [one.role for one in mine] == [Role.SYSTEM, Role.PROBE, Role.SYSTEM]
    assert all(token not in str(one.details) for one in mine)


def test_a_probe_that_is_revoked_leaves_its_tests_to_the_others(office: Office) -> None:
    keys = probing.enrol(office, 3)
    life.make_screened(office)
    do_jobs(office, ["test", "settle"])
    with office.work() as work:
        probes.revoke(work, SYSTEM, work.session.get_one(Probe, keys[0]))
    assert {one.probe_id for one in probing.open_orders(office)} == set(keys[1:])
    assert ("settle", "done") in do_jobs(office, ["settle"])
    with pytest.raises(NotFoundError):
        probing.fetch(office, keys[0])


def test_the_key_for_orders_is_made_once_and_comes_under_a_new_master_key(office: Office) -> None:
    def key() -> bytes:
        with office.work() as work:
            return order_signing.order_key(work).private_bytes_raw()

    first, second = at_once(key, key)
    assert first == second == key()
    office.keyring.rotate()
    rewrap_all(office)
    with office.reading() as work:
        row = work.session.scalars(select(SigningKey)).one()
        assert not office.keyring.needs_rewrap(row.sealed)
        assert work.session.scalar(select(func.count()).select_from(SigningKey)) == 1
    assert key() == first


def test_an_order_is_signed_as_its_text_is(office: Office) -> None:
    keys = probing.enrol(office, 3)
    life.make_screened(office)
    do_jobs(office, ["test"])
    order = probing.fetch(office, keys[0])
    assert order is not None
    with office.work() as work:
        signed = order_signing.sign_order(work, order)
        public = order_signing.order_key(work).public_key()
    verify(public, Purpose.ORDER, signed.text.encode(), signed.signature)
    assert order.model_validate_json(signed.text) == order
