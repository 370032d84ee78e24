"""TLS contexts: as a server of mail, and as a client of other mail servers (DESIGN §3)."""

from __future__ import annotations

import ssl
from pathlib import Path

from countersign.gateway.config import Config, Tls
from countersign.gateway.once import create_once
from countersign.transport.certificate import make_self_signed


class TlsError(Exception):
    """Certificate, key or authorities cannot be used; the text says what to do."""


def users_context(config: Config) -> ssl.SSLContext:
    """Return the context for users' mail programs. Raises :class:`TlsError`.

    No certificate is asked for: a mail program that has one would bother its user.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_own_certificate(context, config)
    return context


def server_context(config: Config) -> ssl.SSLContext:
    """Return the context for STARTTLS as a server. Raises :class:`TlsError`.

    A TLS 1.3 client may be asked for its certificate later (RFC 8446 §4.6.2), which is how
    an asker proves to be the MX host that a sender had connected to (DESIGN §3.3).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_own_certificate(context, config)
    context.post_handshake_auth = True
    context.verify_mode = ssl.CERT_OPTIONAL
    try:
        if config.tls.client_ca is None:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        else:
            context.load_verify_locations(cafile=config.tls.client_ca)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"cannot load tls.client_ca {config.tls.client_ca}: {error}") from error
    return context


def client_context(config: Config) -> ssl.SSLContext:
    """Return the context for STARTTLS as a client. Raises :class:`TlsError`.

    The peer's certificate is not verified: what proves a server here is the registry's pin or
    the callback itself, and mail goes out encrypted to anybody rather than in clear.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.post_handshake_auth = True
    if config.tls.certificate is not None:
        # A self-signed certificate proves nothing, and showing it would end the connection.
        _load_own_certificate(context, config)
    return context


def certificate_files(config: Config) -> tuple[Path, Path]:
    """Return the certificate and key to use, making a self-signed pair if there is none.

    Raises :class:`TlsError`.
    """
    tls = config.tls
    if tls.certificate is not None and tls.key is not None:
        return tls.certificate, tls.key
    pair = self_signed_file(config)
    try:
        if not pair.exists():
            create_once(pair, make_self_signed(config.hostname))
    except OSError as error:
        raise TlsError(
            f"cannot make a self-signed certificate in {pair.parent}: {error}; make the "
            "directory writable for this user, or set tls.certificate and tls.key"
        ) from error
    return pair, pair


def self_signed_file(config: Config) -> Path:
    """Return the file of the self-signed pair; one for each hostname, so that it may change."""
    return config.state_directory / "tls" / f"{config.hostname}.pem"


def _load_own_certificate(context: ssl.SSLContext, config: Config) -> None:
    certificate, key = certificate_files(config)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise TlsError(_advice(config.tls, error)) from error


def _no_password() -> bytes:
    # Without this, OpenSSL would ask on the terminal and a service would hang.
    raise ValueError("the key is encrypted with a passphrase, and nobody is here to type it")


def _advice(tls: Tls, error: Exception) -> str:
    if tls.certificate is None:
        return f"cannot load the self-signed pair: {error}; delete it and a new one will be made"
    return (
        f"cannot load tls.certificate {tls.certificate} with tls.key {tls.key}: {error}; both "
        "must be PEM, readable for this user, the key without a passphrase and of that certificate"
    )
