"""How the administrator is told of things: again and again until the MTA has taken each letter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import structlog

from countersign.gateway.clerk.posting import LetterRefusedError
from countersign.storage.tables import TablesUnavailableError

log = structlog.get_logger()

LOOK_SECONDS: Final = 5.0
"""How often it is asked whether there is something to tell of."""
MAX_BACK_OFF: Final = 300.0
"""Seconds between two tries, at most, while the MTA takes no letter."""

_Thing = TypeVar("_Thing")


async def tell_for_ever(
    subject: str, tell_all: Callable[[], Awaitable[int]], look_seconds: float = LOOK_SECONDS
) -> None:
    """Tell of what there is until cancelled. look_seconds: how often to look for new things."""
    failures = 0
    while True:
        try:
            await tell_all()
            failures = 0
        except (TablesUnavailableError, LetterRefusedError) as error:
            failures += 1
            log.error(f"administrator not told of {subject} yet", reason=str(error))
        await asyncio.sleep(pause(look_seconds, failures))


def pause(look_seconds: float, failures: int) -> float:
    """Return the seconds until the next look, after so many failures one after the other."""
    # An MTA may be away for days: 2**1024 is more than a float can be.
    return min(MAX_BACK_OFF, look_seconds * 2.0 ** min(failures, 30))


async def tell_each(things: Sequence[_Thing], tell: Callable[[_Thing], Awaitable[bool]]) -> int:
    """Tell of one thing after the other; return of how many. ``tell`` returns False to stop.

    A letter that is refused for good holds up none that comes after it: that refusal is raised
    when the others were told of. Raises what ``tell`` does.
    """
    told, refused = 0, None
    for thing in things:
        try:
            if not await tell(thing):
                break
        except LetterRefusedError as error:
            if not error.is_permanent:
                raise
            refused = error
        else:
            told += 1
    if refused is not None:
        raise refused
    return told
