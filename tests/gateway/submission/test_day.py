"""A stolen password is found by the lock rule, and nobody else is locked (DESIGN §5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.submission.day.attacks import ATTACKS
from tests.gateway.submission.day.guessing import guess_for
from tests.gateway.submission.day.whole import DayFigures, replay_day
from tests.storage.test_tables import valkey_url  # noqa: F401 - a fixture

USERS = 120


def check(day: DayFigures) -> None:
    assert day.false_locks == 0
    assert day.refused == 0
    assert len(day.attacks) == len(ATTACKS)
    for attack in day.attacks:
        assert attack.got_out + attack.user_sent <= 300, attack
        if "below the limit" in attack.name:
            # No rule of counts finds what keeps within the counts: at most 300 a day get out.
            assert (attack.got_out, attack.seconds_until_lock, attack.letters) == (200, None, 0)
        elif "each refused" in attack.name:
            # Never within the limits of one message: nothing is counted, so nothing locks.
            assert (attack.got_out, attack.seconds_until_lock, attack.letters) == (0, None, 0)
        else:
            assert attack.seconds_until_lock is not None, attack
            assert attack.letters == 1, attack
            assert attack.got_out > 200 - attack.user_sent, attack
    assert day.letters == sum(attack.letters for attack in day.attacks)


async def test_of_a_days_attacks_at_most_300_recipients_get_out_and_no_other_user_is_locked(
    tmp_path: Path,
) -> None:
    check(await replay_day(tmp_path, USERS, ATTACKS))


@pytest.mark.peer
async def test_the_same_on_the_store_of_a_farm(
    tmp_path: Path,
    valkey_url: str,  # noqa: F811
) -> None:
    check(await replay_day(tmp_path, USERS, ATTACKS, seed=2, url=valkey_url))


@pytest.mark.slow
async def test_guesses_are_few_and_their_victim_signs_in_all_the_same(tmp_path: Path) -> None:
    wide, narrow, spread = await guess_for(tmp_path, hours=1, seconds=12)
    assert wide.looked_at == 30
    assert narrow.looked_at == 8
    assert spread.looked_at == 50
    assert [one.owner_refused for one in (wide, narrow, spread)] == [0, 0, 0]
