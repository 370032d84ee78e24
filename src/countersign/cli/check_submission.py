"""What `countersign check config` says about submission."""

from __future__ import annotations

import asyncio

from countersign.gateway.backend.settings import Backend
from countersign.gateway.clerk.posting import mta_for_letters
from countersign.gateway.config import Config
from countersign.gateway.submission.key_file import KeyStoreError
from countersign.gateway.submission.keys import KeyStore, key_directory
from countersign.gateway.submission.settings import Dovecot, SourceKind
from countersign.gateway.submission.sources.dovecot_link import DovecotLink
from countersign.gateway.submission.sources.interface import SourceUnavailableError
from countersign.transport.conversation import ConversationError, connect

_LOOPBACK = ("127.0.0.1", "[::1]")


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
    warnings = []
    if config.submission.enabled:
        warnings += backend_warnings("submission.backend", config.submission.backend)
    warnings += _about_passwords(config) + _about_letters(config) + _about_milter(config)
    try:
        if not KeyStore(key_directory(config.state_directory)).signing_keys():
            command = "rotate" if config.registrar.url else "make, then publish --by-hand, activate"
            warnings.append(f"no key signs users' mail: countersign keys {command}")
    except (KeyStoreError, OSError) as error:
        warnings.append(f"signing keys: {error}")
    return warnings


def _about_passwords(config: Config) -> list[str]:
    sign_in = config.sign_in
    if sign_in.source is not SourceKind.DOVECOT:
        return []
    try:
        asyncio.run(_ask_dovecot(sign_in.dovecot))
    except SourceUnavailableError as error:
        return [
            f"sign_in.dovecot.socket: {error}; nobody can sign in. Dovecot makes it where its "
            "service auth has a unix_listener auth-client, which the gateway's user must be let at"
        ]
    return []


async def _ask_dovecot(settings: Dovecot) -> None:
    link = DovecotLink(settings.timeout)
    await link.open(settings.socket)
    link.close()


def _about_letters(config: Config) -> list[str]:
    setting, mta = mta_for_letters(config)
    if setting != "administrator.mta":
        # Looked at as what it is besides.
        return []
    host, _, port = mta.address.rpartition(":")
    ports = {one.rpartition(":")[2] for one in config.receiving.listen}
    if config.receiving.enabled and host in _LOOPBACK and port in ports:
        return [
            f"administrator.mta: {mta.address} is the gateway's own listener; name the MTA that "
            "takes letters to the administrator"
        ]
    warnings = backend_warnings(setting, mta)
    return [f"{words}; letters to the administrator wait for it" for words in warnings]


def _about_milter(config: Config) -> list[str]:
    if not config.milter.enabled:
        return []
    return [
        f"milter.listen {endpoint}: every process of this host can send there in any user's name, "
        "and be signed; use unix:/path, in a directory that lets the MTA's group in alone"
        for endpoint in config.milter.listen
        if not endpoint.startswith("unix:")
    ]


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
