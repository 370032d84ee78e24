"""Accounts on which several people work at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from countersign.registrar.operations import accounts, passwords, staff
from countersign.registrar.operations.office import Actor, Office, OperationError
from countersign.registrar.operations.sign_in import Outcome, by_password
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account, AccountRole
from tests.registrar.operations.at_once import at_once
from tests.registrar.operations.life import make_account
from tests.registrar.web.letters import orders

PASSWORD = "orchid tractor velvet quorum"


def revoke(office: Office, actor: int, account_id: int) -> None:
    with office.work() as work:
        staff.revoke(work, Actor(Role.ADMINISTRATOR, actor), account_id, Role.ADMINISTRATOR)


def disable(office: Office, actor: int, account_id: int) -> None:
    with office.work() as work:
        staff.disable(work, Actor(Role.ADMINISTRATOR, actor), account_id)


@pytest.mark.parametrize("second", [revoke, disable])
def test_two_administrators_who_remove_each_other_at_once_leave_one(
    office: Office, second: Callable[[Office, int, int], None]
) -> None:
    for number in range(6):
        first_one, second_one = (
            make_account(office, f"{name}{number}@example.com.au", Role.ADMINISTRATOR)
            for name in "ab"
        )
        results = at_once(
            lambda a=first_one, b=second_one: revoke(office, a, b),
            lambda a=first_one, b=second_one: second(office, b, a),
        )
        errors = [one for one in results if one is not None]
        assert len(errors) == 1
        assert isinstance(errors[0], OperationError)
        with office.work() as work:
            left = (
                select(func.count())
                .select_from(AccountRole)
                .join(Account, Account.id == AccountRole.account_id)
            )
            assert work.session.scalar(left.where(Account.disabled_at.is_(None))) == 1
            for one in work.session.scalars(select(AccountRole)):
                work.session.delete(one)


def test_nobody_is_given_clashing_roles_at_once(office: Office) -> None:
    administrator = Actor(
        Role.ADMINISTRATOR, make_account(office, "a@example.com.au", Role.ADMINISTRATOR)
    )
    key = make_account(office, "b@example.com.au")

    def grant(role: Role) -> None:
        with office.work() as work:
            staff.grant(work, administrator, key, role)

    results = at_once(lambda: grant(Role.AUDITOR), lambda: grant(Role.TREASURER))
    assert len([one for one in results if isinstance(one, OperationError)]) == 1
    with office.reading() as work:
        assert len(work.session.get_one(Account, key).roles) == 1


def test_sign_ups_at_once_for_a_known_address_write_to_its_owner_once(office: Office) -> None:
    key = make_account(office, "a@example.com.au")

    def sign_up() -> None:
        with office.work() as work:
            accounts.sign_up(work, "a@example.com.au", "Mallory", "a hash")

    assert at_once(*[sign_up] * 4) == [None] * 4
    assert [one["account"] for one in orders(office, "account-exists")] == [key]


def test_a_password_that_changes_while_it_is_verified_signs_nobody_in(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_account(office, "a@example.com.au")
    hashes = [passwords.hash_password(one) for one in (PASSWORD, f"another {PASSWORD}")]
    with office.work() as work:
        work.session.get_one(Account, key).password_hash = hashes[0]
    verified, changed, real = threading.Event(), threading.Event(), passwords.verify

    def verify(kept: str, password: str) -> bool:
        good = real(kept, password)
        verified.set()
        return changed.wait(30) and good

    def change() -> None:
        verified.wait(30)
        with office.work() as work:
            work.session.get_one(Account, key).password_hash = hashes[1]
        changed.set()

    monkeypatch.setattr(passwords, "verify", verify)
    results = at_once(lambda: by_password(office, "a@example.com.au", PASSWORD), change)
    assert getattr(results[0], "outcome", results[0]) is Outcome.FAILED
