"""A whole day with its attacks: two workers' desks, real stores, letters to a receiving service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from countersign.gateway.config import Config
from countersign.gateway.submission.desk import Desk
from countersign.gateway.submission.key_file import KeyKind
from countersign.gateway.submission.keys import KeyStore, key_directory
from countersign.gateway.submission.signing import Signer
from countersign.rules.submission import DAY
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.tables import Lock
from tests.gateway.clerk.mta import Mta
from tests.gateway.clerk.setting import Stores, make_config
from tests.gateway.submission.day.attacks import Attack
from tests.gateway.submission.day.replay import Clock, Replay, Sent
from tests.gateway.submission.day.traffic import Sending, ordinary_days, user_name
from tests.gateway.world import free_port

START = 1_780_272_000.0
"""Midnight of a Monday."""
WORKERS = 2


@dataclass(frozen=True, slots=True)
class AttackFigures:
    """What an attack came to."""

    name: str
    tried: int
    """Messages."""
    wanted: int
    """Recipients."""
    got_out: int
    """Recipients of the thief's messages that were passed on."""
    user_sent: int
    """Recipients that the user himself had sent to on the day, which count too."""
    seconds_until_lock: float | None
    letters: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What a day came to."""

    users: int
    messages: int
    recipients: int
    refused: int
    """Messages of users whose passwords were not stolen, or before they were."""
    false_locks: int
    letters: int
    attacks: tuple[AttackFigures, ...]


async def replay_day(
    directory: Path, users: int, attacks: Sequence[Attack], *, seed: int = 1, url: str = ""
) -> DayFigures:
    """Replay two ordinary days, the second with attacks. url: of Valkey; empty: local stores."""
    mta = Mta(free_port())
    await mta.start()
    config = make_config(directory, mta.endpoint, url=url)
    keys = KeyStore(key_directory(config.state_directory))
    keys.activate(keys.make(KeyKind.ED25519, START).selector, START)
    thefts = {user_name(7 * number + 3): attack for number, attack in enumerate(attacks)}
    if len(thefts) * 7 >= users:
        raise ValueError("too few users for so many attacks")
    sendings = ordinary_days(users, 2, START, seed)
    for number, (user, attack) in enumerate(thefts.items()):
        begin = START + DAY + (0 if attack.seconds else 10 * 3600 + 60.5 * number)
        sendings += attack.sendings(user, begin, seed)
    stores = Stores(config)
    try:
        notices = asyncio.create_task(stores.notices().run(look_seconds=0.1))
        clock = Clock(START)
        async with _desks(config, clock) as desks:
            replay = Replay(desks, clock)
            await replay.run(sendings)
        await stores.wait_until_told()
        notices.cancel()
        await asyncio.gather(notices, return_exceptions=True)
        locks = await stores.tables.locks()
    finally:
        await stores.close()
        await mta.stop()
    return _figures(users, thefts, sendings, replay.sent, locks, mta)


@asynccontextmanager
async def _desks(config: Config, clock: Clock) -> AsyncIterator[list[Desk]]:
    """Open the stores as often as there are workers, each as a process would."""
    opened, desks = [], []
    for _ in range(WORKERS):
        stores = Stores(config)
        accounts = Accounts(stores.directory)
        signer = Signer(key_directory(config.state_directory), config.hostname)
        desk = Desk(config, stores.tables, accounts, stores.journal, signer, clock=clock)
        opened.append((stores, accounts))
        desks.append(desk)
    try:
        yield desks
    finally:
        for stores, accounts in opened:
            await accounts.aclose()
            await stores.close()


def _figures(
    users: int,
    thefts: dict[str, Attack],
    sendings: list[Sending],
    sent: dict[tuple[str, str], Sent],
    locks: list[Lock],
    mta: Mta,
) -> DayFigures:
    own = [one for (user, thief), one in sent.items() if not thief and user not in thefts]
    begins = {
        user: min(one.at for one in sendings if one.user == user and one.thief) for user in thefts
    }
    false = [lock for lock in locks if lock.since < begins.get(lock.user, float("inf"))]
    return DayFigures(
        users=users,
        messages=sum(one.messages for one in own),
        recipients=sum(one.recipients for one in own),
        refused=sum(one.refused for one in own),
        false_locks=len(false),
        letters=len(mta.letters),
        attacks=tuple(
            _attack_figures(user, attack, sendings, sent, locks, begins[user], mta)
            for user, attack in thefts.items()
        ),
    )


def _attack_figures(
    user: str,
    attack: Attack,
    sendings: list[Sending],
    sent: dict[tuple[str, str], Sent],
    locks: list[Lock],
    begin: float,
    mta: Mta,
) -> AttackFigures:
    tried = [one for one in sendings if one.user == user and one.thief]
    since = next((lock.since for lock in locks if lock.user == user), None)
    end = since or max(one.at for one in tried)
    return AttackFigures(
        name=attack.name,
        tried=len(tried),
        wanted=sum(one.recipients for one in tried),
        got_out=sent[user, attack.name].recipients,
        user_sent=sum(
            one.recipients
            for one in sendings
            if one.user == user and not one.thief and end - DAY < one.at < end
        ),
        seconds_until_lock=None if since is None else since - begin,
        letters=sum(str(letter["Subject"]).endswith(user) for letter in mta.letters),
    )
