"""Look whether what a configuration names can be used; nothing is changed."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from countersign.certification.mailbox import TlsError, server_context
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.publishing.image import apex_of
from countersign.registrar.state import database_url, keyring_file, state_directory
from countersign.registrar.vault.keyring_file import KeyringError, read_keys
from countersign.registry.zone.content import apex_node
from countersign.registry.zone.names import OwnerNameError
from countersign.storage.database.engine import Database, DatabaseError

_SECONDS = 10.0


def warnings_about(config: RegistrarConfig) -> list[str]:
    """Return what will not work, each with its setting."""
    checks: tuple[Callable[[RegistrarConfig], Iterator[str]], ...] = (
        _check_url,
        _check_directories,
        _check_publication,
        _check_keyring,
        _check_database,
        _check_mail,
        _check_webhook,
        _check_mailbox,
    )
    return [warning for one in checks for warning in one(config)]


def _check_url(config: RegistrarConfig) -> Iterator[str]:
    parts = urlsplit(config.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield f"url: {config.url} is no web address"
    elif parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        yield "url: without https passwords and papers go over the network in clear"


def _check_directories(config: RegistrarConfig) -> Iterator[str]:
    wanted = {"state_directory": state_directory(config)}
    if config.primary.copy_directory is not None:
        wanted["primary.copy_directory"] = config.primary.copy_directory
    if config.mail.kind == "directory" and config.mail.directory is not None:
        wanted["mail.directory"] = config.mail.directory
    for setting, directory in wanted.items():
        present = _nearest(directory)
        if not os.access(present, os.W_OK | os.X_OK):
            yield f"{setting}: {present} cannot be written to"


def _check_publication(config: RegistrarConfig) -> Iterator[str]:
    publication = config.publication
    try:
        apex_node(apex_of(config), 0)
    except OwnerNameError as error:
        yield f"publication: {error}"
    for name in publication.nameservers:
        if f".{name.lower()}".endswith(f".{config.zone.lower()}"):
            # It would need an address there, and servers that sign the zone refuse to load it.
            yield f"publication.nameservers: {name} is inside the zone: name it outside"


def _nearest(directory: Path) -> Path:
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory


def _check_keyring(config: RegistrarConfig) -> Iterator[str]:
    file = keyring_file(config)
    if not file.exists():
        return
    try:
        read_keys(file)
    except KeyringError as error:
        yield f"keyring: {error}"


def _check_database(config: RegistrarConfig) -> Iterator[str]:
    url = database_url(config)
    if url.startswith("sqlite:") and not Path(url.removeprefix("sqlite:///")).exists():
        # It is made at the first start.
        return
    try:
        database = Database(url)
        database.check()
        database.close()
    except DatabaseError as error:
        yield f"database: {error}"


def _check_mail(config: RegistrarConfig) -> Iterator[str]:
    if config.mail.kind != "smtp":
        return
    host, _, port = config.mail.server.rpartition(":")
    if not port.isdecimal():
        yield "mail.server: ADDRESS:PORT is needed for SMTP"
        return
    try:
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=_SECONDS) as client:
            client.noop()
    except (OSError, smtplib.SMTPException) as error:
        yield f"mail.server {config.mail.server} does not answer: {error}"


def _check_webhook(config: RegistrarConfig) -> Iterator[str]:
    file = config.money.webhook_secret_file
    if file is not None and not os.access(file, os.R_OK):
        yield f"money.webhook_secret_file: {file} cannot be read"


def _check_mailbox(config: RegistrarConfig) -> Iterator[str]:
    mailbox = config.certification.mailbox
    if mailbox.certificate is None:
        return
    try:
        server_context(mailbox.hostname, mailbox.certificate)
    except TlsError as error:
        yield f"certification.mailbox.certificate: {error}"
