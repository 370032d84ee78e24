"""The administrator is told what the registrar said about users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countersign.gateway.clerk.decisions import Decisions
from countersign.gateway.clerk.posting import LetterRefusedError
from countersign.protocol.reply import reply
from countersign.storage.submission.account_rows import Deed, Privilege
from countersign.storage.submission.accounts import Accounts
from tests.gateway.clerk.mta import Mta
from tests.gateway.clerk.setting import make_config
from tests.gateway.world import free_port

NOW = 1_780_000_000.0


@pytest.fixture
async def mta() -> AsyncIterator[Mta]:
    mta = Mta(free_port())
    yield mta
    await mta.stop()


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[Accounts]:
    opened = Accounts(tmp_path / "state" / "submission")
    yield opened
    await opened.aclose()


async def refuse(accounts: Accounts) -> None:
    privilege = Privilege("a" * 24, "2026-03-01", "2026-1")
    await accounts.grant("alice", privilege, Deed("root", NOW))
    order = await accounts.orders.take(NOW, 60)
    assert order is not None
    await accounts.orders.refused(order, "The server is not active.", NOW)


async def answer(accounts: Accounts, level: str | None) -> None:
    await accounts.orders.ask("bob", {"name": "Bob Roe"}, Deed("root", NOW))
    order = await accounts.orders.take(NOW, 60)
    assert order is not None
    await accounts.orders.answered(order, level, "2025-11" if level else None, NOW)


async def test_a_refusal_is_told_once_in_the_registrars_words(
    mta: Mta, accounts: Accounts, tmp_path: Path
) -> None:
    await mta.start()
    await refuse(accounts)
    decisions = Decisions(make_config(tmp_path, mta.endpoint), accounts)
    assert [await decisions.tell_all(), await decisions.tell_all()] == [1, 0]
    [letter] = mta.letters
    assert mta.recipients == ["<admin@local.example>"]
    assert "The server is not active." in letter.get_content()
    assert "The privilege has ended" in letter.get_content()


async def test_answers_about_offenders_are_told_without_what_was_asked(
    mta: Mta, accounts: Accounts, tmp_path: Path
) -> None:
    await mta.start()
    await answer(accounts, None)
    await answer(accounts, "barred")
    decisions = Decisions(make_config(tmp_path, mta.endpoint), accounts)
    assert await decisions.tell_all() == 2
    first, second = (letter.get_content() for letter in mta.letters)
    assert "no such offender" in first
    assert "(barred); the last offence was in 2025-11" in second
    assert "Bob Roe" not in first + second
    assert 'countersign users lock bob --reason "Known offender"' in second
    # Removing would end neither a password that is kept elsewhere nor, of itself, the mail.
    assert "users remove" not in second


async def test_what_the_mta_does_not_take_stays_untold(
    mta: Mta, accounts: Accounts, tmp_path: Path
) -> None:
    await refuse(accounts)
    decisions = Decisions(make_config(tmp_path, mta.endpoint), accounts)
    with pytest.raises(LetterRefusedError):
        await decisions.tell_all()
    await mta.start()
    assert await decisions.tell_all() == 1


async def test_a_letter_that_is_refused_for_good_holds_no_other_up(
    mta: Mta, accounts: Accounts, tmp_path: Path
) -> None:
    await mta.start()
    await answer(accounts, "barred")
    await answer(accounts, None)
    mta.answers["barred"] = reply(550, "5.7.1", "No")
    decisions = Decisions(make_config(tmp_path, mta.endpoint), accounts)
    with pytest.raises(LetterRefusedError):
        await decisions.tell_all()
    [letter] = mta.letters
    assert "no such offender" in letter.get_content()
    mta.answers.clear()
    assert await decisions.tell_all() == 1
