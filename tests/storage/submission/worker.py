"""A process that counts and writes down without end, and says what was acknowledged to it.

Arguments: URL or '', directory, user, limit or 0, tasks. It ends by itself once it is locked.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from countersign.storage.submission.journal import Journal
from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import Lock
from tests.storage.submission.messages import entry


async def main(url: str, directory: Path, user: str, limit: int, tasks: int) -> None:
    tables, journal = open_submission_tables(url, directory), Journal(directory)

    async def work() -> None:
        while True:
            found = await tables.reserve(user, 1, limit or None, time.time())
            if isinstance(found, Lock):
                return
            print("counted", found.reservation, flush=True)
            message = entry(time.time(), user=user)
            await journal.append(message)
            print("written", message.id, flush=True)

    await asyncio.gather(*(work() for _ in range(tasks)))
    await tables.aclose()
    await journal.aclose()


if __name__ == "__main__":
    place, where, name, most, count = sys.argv[1:]
    asyncio.run(main(place, Path(where), name, int(most), int(count)))
