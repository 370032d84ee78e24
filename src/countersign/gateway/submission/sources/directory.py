"""One question to an LDAP directory: whose password is this? Blocking; run in threads.

Search, then bind (RFC 4513 §5.1.3). Whatever is not a plain yes or no raises
:class:`~countersign.gateway.submission.sources.interface.SourceUnavailableError`.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ldap3 import ANONYMOUS, NONE, SIMPLE, SUBTREE, SYNC, Connection, Server, Tls
from ldap3.core.exceptions import LDAPCommunicationError, LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

from countersign.gateway.submission.settings import Ldap
from countersign.gateway.submission.sources.interface import SourceUnavailableError

_SUCCESS = 0
_NO_CREDENTIALS = (48, 49)
"""Results of a bind that mean 'not this password' (RFC 4511 §4.1.9): inappropriateAuthentication,
for an entry without one, and invalidCredentials. All others may be the directory's own trouble."""
_ENTRY = "searchResEntry"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the directory says."""

    user: str
    """The entry's name; empty: there is no such entry."""
    is_right: bool


class Directory:
    """Opens a connection for each question; its certificate is checked each time."""

    def __init__(self, settings: Ldap) -> None:
        self._settings = settings
        # ldap3 takes whole seconds.
        self._timeout = max(1, math.ceil(settings.timeout))
        self._tls = _CheckedTls(settings)

    def ask(self, name: str, password: str) -> Finding:
        """Look an entry up and try its password. Raises :class:`SourceUnavailableError`."""
        if not password:
            # Such a bind would succeed: it is an anonymous one (RFC 4513 §5.1.2).
            raise ValueError("an empty password proves nothing")
        with self._connected() as connection:
            found = self._find(connection, name)
            if found is None:
                # As much is asked as of an entry that is there.
                self._bind(connection, self._nobody(), password)
                return Finding("", is_right=False)
            dn, user = found
            return Finding(user, is_right=self._bind(connection, dn, password))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            connection = self._connection()
            try:
                connection.open()
                if self._settings.start_tls and not connection.server.ssl:
                    connection.start_tls()
                yield connection
            finally:
                # It may be broken already, which is told by what broke it.
                with contextlib.suppress(LDAPException, OSError):
                    connection.unbind()
        except SourceUnavailableError:
            raise
        except Exception as error:
            # Octets that are no LDAP make ldap3 and its decoder fail in many ways.
            raise SourceUnavailableError(f"directory: {_words(error)}") from error

    def _connection(self) -> Connection:
        settings = self._settings
        # One for each question: ldap3 leaves the addresses of one that was away alone for minutes.
        server = Server(settings.url, tls=self._tls, get_info=NONE, connect_timeout=self._timeout)
        who: dict[str, Any] = {"authentication": ANONYMOUS}
        if settings.bind_dn:
            who = {"authentication": SIMPLE, "user": settings.bind_dn, "password": self._own()}
        return Connection(
            server,
            **who,
            client_strategy=SYNC,
            read_only=True,
            auto_referrals=False,
            receive_timeout=self._timeout,
            check_names=False,
            raise_exceptions=False,
        )

    def _own(self) -> bytes:
        file = self._settings.bind_password_file
        password = b"" if file is None else file.read_bytes().rstrip(b"\r\n")
        if not password:
            raise SourceUnavailableError("the directory's bind_password_file has no password")
        return password

    def _find(self, connection: Connection, name: str) -> tuple[str, str] | None:
        if not connection.bind():
            raise SourceUnavailableError(f"directory: our own bind: {_described(connection)}")
        settings = self._settings
        connection.search(
            settings.base,
            settings.filter.replace("{user}", escape_filter_chars(name)),
            search_scope=SUBTREE,
            attributes=[settings.name_attribute],
            size_limit=2,
            time_limit=self._timeout,
        )
        entries = [entry for entry in connection.response or () if entry["type"] == _ENTRY]
        if len(entries) > 1:
            raise SourceUnavailableError("directory: the filter finds several entries of one name")
        if connection.result["result"] != _SUCCESS:
            raise SourceUnavailableError(f"directory: search: {_described(connection)}")
        if not entries:
            return None
        return str(entries[0]["dn"]), self._name(entries[0])

    def _name(self, entry: dict[str, Any]) -> str:
        wanted = self._settings.name_attribute.lower()
        for attribute, values in entry["raw_attributes"].items():
            if attribute.lower() == wanted and values:
                # Several have no order of their own (RFC 4511 §4.1.7).
                return min(bytes(value).decode(errors="replace").lower() for value in values)
        raise SourceUnavailableError(
            f"directory: an entry has no {self._settings.name_attribute} to name the user by"
        )

    def _bind(self, connection: Connection, dn: str, password: str) -> bool:
        if not dn:
            raise SourceUnavailableError("directory: an entry has no name")
        is_bound = connection.rebind(user=dn, password=password.encode(), authentication=SIMPLE)
        result = connection.result
        if result["type"] != "bindResponse":
            raise SourceUnavailableError("directory: a bind has no answer")
        if is_bound and result["result"] == _SUCCESS:
            return True
        if not is_bound and result["result"] in _NO_CREDENTIALS:
            return False
        raise SourceUnavailableError(f"directory: bind: {_described(connection)}")

    def _nobody(self) -> str:
        return f"cn={escape_rdn(secrets.token_hex(8))},{self._settings.base}"


class _CheckedTls(Tls):
    """TLS whose certificate is for the directory's name; OpenSSL checks it."""

    def __init__(self, settings: Ldap) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._ca_file = settings.ca_file

    def wrap_socket(self, connection: Connection, do_handshake: bool = False) -> None:
        """Encrypt a connection's socket."""
        context = ssl.create_default_context(cafile=self._ca_file)
        connection.socket = context.wrap_socket(
            connection.socket, server_hostname=connection.server.host
        )


def _described(connection: Connection) -> str:
    return str(connection.result.get("description", "no answer"))


def _words(error: Exception) -> str:
    """Return what went wrong, without what a client may have written."""
    name = type(error).__name__
    if isinstance(error, OSError | LDAPCommunicationError):
        return f"{name}: {str(error)[:200]}"
    return name
