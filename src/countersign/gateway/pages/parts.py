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

    async def proof_of(self, user: str) -> bytes | None:
        """Return what a user's password is checked by, as a digest; None: the user is disabled.

        Empty where passwords are kept elsewhere.
        """
        credentials = await self.accounts.credentials(user)
        if credentials is None:
            return b""
        if credentials.is_disabled:
            return None
        return hashlib.sha256(credentials.argon2_hash.encode()).digest()
