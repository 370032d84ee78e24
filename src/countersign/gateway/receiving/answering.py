"""The claimed host's side: answers questions about session IDs (DESIGN §3.3, §3.5)."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from typing import Any

from countersign.gateway.config import Verification
from countersign.protocol.reply import Reply, reply
from countersign.protocol.session_id import has_valid_tag
from countersign.rules.network import network_key
from countersign.rules.suspension import Answer, Standing, decide
from countersign.storage.tables import (
    OpenSession,
    Suspension,
    SuspensionKind,
    Tables,
    TablesUnavailableError,
)

TRUE = reply(250, "2.7.0", "TRUE")
FALSE = reply(550, "5.7.1", "FALSE")
SUSPENDED = reply(450, "4.7.1", "Questions are suspended")
CERTIFICATE_WANTED = reply(350, "2.7.0", "Certificate wanted: ask again")

_REPLIES = {Answer.TRUE: TRUE, Answer.FALSE: FALSE, Answer.SUSPENDED: SUSPENDED}


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks."""

    address: str
    tls: ssl.SSLObject | None
    was_asked_for_certificate: bool


class Answering:
    """Answers questions; one per worker."""

    def __init__(self, settings: Verification, tables: Tables, secret: bytes) -> None:
        self._settings = settings
        self._tables = tables
        self._secret = secret

    async def answer(self, session_id: str, asker: Asker) -> Reply:
        """Return the reply to one XVERIFY; the caller drops the connection after it.

        A 350 asks for the question to be repeated once the asker's certificate has come.
        """
        try:
            return await self._answer(session_id, asker)
        except TablesUnavailableError:
            return SUSPENDED

    async def _answer(self, session_id: str, asker: Asker) -> Reply:
        network = network_key(asker.address)
        now = time.time()
        row = await self._find(session_id)
        is_own = row is not None and _is_towards(row, asker)
        if row is not None and not is_own and _can_prove_itself(asker):
            return CERTIFICATE_WANTED
        current = await self._tables.suspension(network, now)
        standing = Standing(current.kind.value) if current is not None else Standing.FREE
        decision = decide(standing, is_own_session=is_own, rule=self._settings.suspend)
        if decision.answer is Answer.TRUE and not await self._tables.mark_asked(session_id):
            decision = decide(standing, is_own_session=False, rule=self._settings.suspend)
        if decision.suspend is not None:
            kind = SuspensionKind(decision.suspend.value)
            until = now + self._settings.suspend_seconds
            await self._tables.suspend(network, Suspension(kind, until))
        return _REPLIES[decision.answer]

    async def _find(self, session_id: str) -> OpenSession | None:
        if not has_valid_tag(self._secret, session_id):
            return None
        row = await self._tables.find_session(session_id)
        return row if row is not None and not row.asked else None


def _is_towards(row: OpenSession, asker: Asker) -> bool:
    """Tell whether a session is open towards this asker: same address, or proven MX host."""
    if row.receiver_address == asker.address:
        return True
    certificate = asker.tls.getpeercert() if asker.tls is not None else None
    if not certificate:
        return False
    names: Any = certificate.get("subjectAltName", ())
    return any(kind == "DNS" and _name_matches(value, row.mx_host) for kind, value in names)


def _name_matches(pattern: str, host: str) -> bool:
    """Compare a certificate's DNS name with a host; a wildcard stands for one label (RFC 9525)."""
    pattern = pattern.lower().removesuffix(".")
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return host == pattern


def _can_prove_itself(asker: Asker) -> bool:
    """Ask a TLS 1.3 peer for its certificate, once; False if it cannot be asked."""
    if asker.was_asked_for_certificate or asker.tls is None:
        return False
    try:
        asker.tls.verify_client_post_handshake()
    except ssl.SSLError:
        return False
    return True
