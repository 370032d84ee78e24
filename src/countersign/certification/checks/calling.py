"""Connections of a check: closed politely when it is done, and at once when it is cut short."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from countersign.certification.said import Said
from countersign.certification.session import Session
from countersign.certification.visit import Visit


@asynccontextmanager
async def calling(visit: Visit, *, in_tls: bool) -> AsyncIterator[Session | Said]:
    """Connect, and say EHLO, inside TLS if wanted; gives what was said last if that fails."""
    session = await visit.caller.call_and_greet(in_tls=in_tls)
    if not isinstance(session, Session):
        yield session
        return
    try:
        yield session
        await session.finish()
    finally:
        session.drop()


def random_part() -> str:
    """Return a local part that nobody has."""
    return f"relaytest-{secrets.token_hex(8)}"
