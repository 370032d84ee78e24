"""What the fronts of submission share in one worker: opened once, closed together."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from countersign.gateway.config import Config
from countersign.gateway.metrics import Metrics
from countersign.gateway.submission.desk import Desk
from countersign.gateway.submission.sign_in import SignIn
from countersign.gateway.submission.signing import Signer
from countersign.gateway.submission.sources.opening import open_source
from countersign.gateway.submission.spool import SpoolRoom
from countersign.gateway.tls import users_context
from countersign.storage.submission.accounts import Accounts
from countersign.storage.submission.journal import Journal
from countersign.storage.submission.opening import open_submission_tables
from countersign.storage.submission.tables import SubmissionTables

_SPOOLED_MESSAGES = 64
"""Messages of the greatest size that a worker's spool has room for."""


@dataclass(frozen=True, slots=True)
class SubmissionParts:
    """The parts of one worker."""

    desk: Desk
    sign_in: SignIn
    tables: SubmissionTables
    accounts: Accounts
    journal: Journal
    spools: SpoolRoom
    tls: ssl.SSLContext

    async def start(self) -> None:
        """Open the source of passwords; may be called by each front."""
        await self.sign_in.start()

    async def close(self) -> None:
        """Release everything."""
        await self.sign_in.aclose()
        await self.journal.aclose()
        await self.accounts.aclose()
        await self.tables.aclose()


def open_submission(config: Config, metrics: Metrics) -> SubmissionParts:
    """Open what submission needs.

    Raises :class:`~countersign.storage.tables.TablesUnavailableError` and
    :class:`~countersign.gateway.tls.TlsError`, whose texts say what to do.
    """
    directory = config.state_directory / "submission"
    tls = users_context(config)
    tables = open_submission_tables(config.storage.url, directory)
    accounts, journal = Accounts(directory), Journal(directory)
    signer = Signer(directory / "keys", config.hostname)
    source = open_source(config, accounts)
    return SubmissionParts(
        desk=Desk(config, tables, accounts, journal, signer, on_lock=metrics.locked),
        sign_in=SignIn(config.sign_in, source, tables, metrics),
        tables=tables,
        accounts=accounts,
        journal=journal,
        spools=SpoolRoom(
            directory / "spool", disk=_SPOOLED_MESSAGES * config.submission.max_message_size
        ),
        tls=tls,
    )
