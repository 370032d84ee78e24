"""TLS of the test mailbox: a certificate that was given, or one that it makes itself."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from countersign.transport.certificate import make_self_signed


class TlsError(Exception):
    """The certificate cannot be used; the text says why."""


def server_context(hostname: str, certificate: Path | None = None) -> ssl.SSLContext:
    """Return the context for STARTTLS.

    certificate: PEM file of certificate and key; None: self-signed, for as long as the process
    lives. Old versions of TLS are taken: a message is proof by whatever way it came. Raises
    :class:`TlsError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if certificate is not None:
            context.load_cert_chain(certificate, password=_no_password)
            return context
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(make_self_signed(hostname))
            file.flush()
            context.load_cert_chain(file.name)
    except (OSError, ValueError) as error:
        raise TlsError(
            f"cannot load {certificate or 'a self-signed certificate'}: {error}; it must be PEM "
            "with its key, readable for this user, the key without a passphrase"
        ) from error
    return context


def _no_password() -> bytes:
    # Without this, OpenSSL would ask on the terminal and a service would hang.
    raise ValueError("the key is encrypted with a passphrase")
