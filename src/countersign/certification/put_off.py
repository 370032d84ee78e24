"""What a server put off, as greylisting does, is tried once more when all else is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from countersign.certification.catalogue import Test
from countersign.certification.judge import untested
from countersign.certification.turns import Turns
from countersign.certification.visit import Visit


@dataclass(frozen=True, slots=True)
class PutOff:
    """A test that a server answered with 'later' (4yz but 421)."""

    test: Test
    at: float
    """When, by the clock of the event loop."""
    repeat: Callable[[], Awaitable[None]]
    """Makes it again, with the same envelope and from the same address, and notes its outcome."""


def keep(visit: Visit, test: Test, repeat: Callable[[], Awaitable[None]]) -> None:
    """Keep a test for :func:`repeat_put_off`; what was said in it stays with it."""
    visit.sheet.hold(test)
    visit.put_off.append(PutOff(test, asyncio.get_running_loop().time(), repeat))


async def repeat_put_off(visit: Visit, turns: Turns, reason_not_to: str = "") -> None:
    """Repeat each test that was put off, once, when ``retry_seconds`` have passed for all.

    reason_not_to: a sentence; then none is repeated, and none has been seen.
    """
    kept, visit.put_off = visit.put_off, []
    if not kept:
        return
    await turns.finish()
    if reason_not_to:
        for one in kept:
            words = f"The server put this off, and it was not repeated. {reason_not_to}"
            visit.sheet.add(one.test, untested(words), is_essential=True)
        return
    due = max(one.at for one in kept) + visit.caller.settings.retry_seconds
    seconds = max(0.0, due - asyncio.get_running_loop().time())
    visit.caller.transcript.note(
        f"waiting {seconds:.0f} s, as the server put {len(kept)} recipients off"
    )
    # Greylisting lets a sender in by the time that has passed, and no event tells when.
    await asyncio.sleep(seconds)
    for one in kept:
        await one.repeat()
