"""Some hours in which passwords are guessed, while their owners sign in as ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from countersign.gateway.metrics import Metrics
from countersign.gateway.submission.sign_in import SignIn
from countersign.gateway.submission.sources.interface import SignedIn
from countersign.gateway.submission.sources.opening import open_source
from countersign.storage.submission.accounts import Accounts
from tests.gateway.clerk.setting import Stores, make_config
from tests.gateway.submission.day.replay import Clock
from tests.gateway.submission.site import PASSWORD, add_user

START = 1_780_300_800.0
VICTIM = "victim@alpha.example"
HOME = "192.0.2.1"
"""Where the victim has always signed in from."""
_OTHERS = [f"user{number}@alpha.example" for number in range(100)]


@dataclass(frozen=True, slots=True)
class Guessing:
    """What guessing came to."""

    name: str
    tried: int
    looked_at: int
    """Guesses that were compared with a password."""
    owner_refused: int
    """Times that the victim could not sign in from home."""


async def guess_for(directory: Path, hours: int, seconds: float) -> list[Guessing]:
    """Guess in three ways, each for so many hours, a guess each so many seconds."""
    found = []
    for number, (name, guesses) in enumerate(_WAYS.items()):
        place = directory / f"guess{number}"
        place.mkdir()
        count = int(hours * 3600 / seconds)
        found.append(await _guess(place, name, guesses(count), seconds))
    return found


def _one_address_all_accounts(count: int) -> Iterator[tuple[str, str]]:
    for number in range(count):
        yield (VICTIM, *_OTHERS)[number % (1 + len(_OTHERS))], "203.0.113.9"


def _one_address_one_account(count: int) -> Iterator[tuple[str, str]]:
    for _ in range(count):
        yield VICTIM, "203.0.113.9"


def _many_addresses_one_account(count: int) -> Iterator[tuple[str, str]]:
    for number in range(count):
        yield VICTIM, f"203.0.{number // 250}.{number % 250 + 1}"


_WAYS = {
    "one address, 101 accounts": _one_address_all_accounts,
    "one address, one account": _one_address_one_account,
    "each guess from another address, one account": _many_addresses_one_account,
}


async def _guess(
    directory: Path, name: str, guesses: Iterator[tuple[str, str]], seconds: float
) -> Guessing:
    config = make_config(directory, "127.0.0.1:1")
    await add_user(config.state_directory, VICTIM)
    stores, clock = Stores(config), Clock(START)
    accounts = Accounts(stores.directory)
    source = open_source(config, accounts)
    sign_in = SignIn(config.sign_in, source, stores.tables, Metrics(), clock=clock)
    await sign_in.start()
    tried = looked_at = owner_refused = 0
    next_home = START
    for tried, (user, address) in enumerate(guesses, start=1):
        if clock.now >= next_home:
            owner = await sign_in.check(VICTIM, PASSWORD, HOME)
            owner_refused += not isinstance(owner, SignedIn)
            next_home += 1200
        answer = await sign_in.check(user, f"guess number {tried}", address)
        assert not isinstance(answer, SignedIn)
        looked_at += answer.reason != "limited"
        clock.now = START + tried * seconds
    await sign_in.aclose()
    await accounts.aclose()
    await stores.close()
    return Guessing(name, tried, looked_at, owner_refused)
