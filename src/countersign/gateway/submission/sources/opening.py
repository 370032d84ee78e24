"""Opens the source of passwords that the configuration names."""

from __future__ import annotations

from countersign.gateway.config import Config
from countersign.gateway.secret import load_secret
from countersign.gateway.submission.settings import SourceKind
from countersign.gateway.submission.sources.dovecot import DovecotSource
from countersign.gateway.submission.sources.interface import PasswordSource
from countersign.gateway.submission.sources.local import LocalSource
from countersign.storage.submission.accounts import Accounts


def open_source(config: Config, accounts: Accounts) -> PasswordSource:
    """Return the source; nothing is connected yet.

    Raises :class:`~countersign.gateway.secret.SecretError`.
    """
    settings = config.sign_in
    if settings.source is SourceKind.DOVECOT:
        return DovecotSource(settings)
    if settings.source is SourceKind.LDAP:
        # Imported here: workers without a directory stay small.
        from countersign.gateway.submission.sources.ldap import LdapSource

        return LdapSource(settings.ldap)
    secret = load_secret(config.storage.secret_file, config.state_directory)
    return LocalSource(accounts, settings.local, secret)
