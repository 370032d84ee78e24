"""What the pages work with."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from countersign.gateway.config import Config
from countersign.gateway.pages.sessions import Sessions
from countersign.gateway.submission.sign_in import SignIn
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.tables import SubmissionTables
from countersign.web.site import Site


@dataclass(frozen=True, slots=True, repr=False)
class Known:
    """What a session of a user depends on."""

    proof: bytes
    """Changes with the password, if it is kept here."""
    is_administrator: bool


@dataclass(frozen=True, slots=True)
class PagesParts:
    """One for a process."""

    config: Config
    site: Site
    tables: SubmissionTables
    accounts: Accounts
    journal: Journal
    sign_in: SignIn
    sessions: Sessions
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""

    async def known(self, user: str) -> Known | None:
        """Return what a session of a user depends on; None: the user is disabled."""
        stored = await self.accounts.find(user)
        if stored is not None and stored.is_disabled:
            return None
        credentials = await self.accounts.credentials(user)
        kept = b"" if credentials is None else credentials.argon2_hash.encode()
        return Known(hashlib.sha256(kept).digest(), stored is not None and stored.is_administrator)
