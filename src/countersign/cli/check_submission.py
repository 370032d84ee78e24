"""What `countersign check config` says about submission."""

from __future__ import annotations

import asyncio

from countersign.gateway.backend.settings import Backend
from countersign.gateway.config import Config
from countersign.gateway.submission.key_file import KeyStoreError
from countersign.gateway.submission.keys import KeyStore, key_directory
from countersign.transport.conversation import ConversationError, connect


def backend_warnings(setting: str, backend: Backend) -> list[str]:
    """Say whether an MTA does not answer. setting: the section's name."""
    try:
        asyncio.run(_greet(backend))
    except ConversationError as error:
        return [f"{setting} {backend.address} does not answer: {error}"]
    return []


def submission_warnings(config: Config) -> list[str]:
    """Say what keeps users' mail, or letters to the administrator, from going out as it should."""
    if not (config.submission.enabled or config.milter.enabled):
        return []
    warnings = backend_warnings("submission.backend", config.submission.backend)
    if warnings and not config.submission.enabled:
        warnings = [f"{warnings[0]}; letters to the administrator wait for it"]
    try:
        if not KeyStore(key_directory(config.state_directory)).signing_keys():
            warnings.append("no key signs users' mail: countersign keys rotate")
    except (KeyStoreError, OSError) as error:
        warnings.append(f"signing keys: {error}")
    return warnings


async def _greet(backend: Backend) -> None:
    host, _, port = backend.address.rpartition(":")
    path = backend.address.removeprefix("unix:") if backend.address.startswith("unix:") else ""
    conversation = await connect(
        host.strip("[]"),
        int(port) if not path else 0,
        unix_path=path,
        timeout=5,
        reply_timeout=10,
    )
    await conversation.finish()
