"""How a probe's request says whose it is: the Authorization header (RFC 9110 §11.6.2). Pure.

    Authorization: Countersign-Probe id="3", at="2026-11-25T09:00:00.000000Z",
        digest="SHA-256 of the body, hexadecimal", signature="BASE64"

The digest stands in the header, so that the signature is checked before a body is read.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from countersign.certification.signing import Purpose, request_octets, sign, verify

SCHEME = "Countersign-Probe"
MAX_SKEW = datetime.timedelta(seconds=60)
"""A request whose time differs by more is refused: it may be an old one, sent again."""
MAX_LENGTH = 500
"""Characters of the header."""
_AT = "%Y-%m-%dT%H:%M:%S.%fZ"
_FORM = re.compile(
    rf'{SCHEME} +id="(?P<id>[1-9][0-9]{{0,15}})" *, *'
    r'at="(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)" *, *'
    r'digest="(?P<digest>[0-9a-f]{64})" *, *'
    r'signature="(?P<signature>[A-Za-z0-9+/]{86}==)"',
    re.ASCII | re.IGNORECASE,
)


class AuthorizationError(ValueError):
    """The header is not of the form; the message says so without quoting it."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """What the header says."""

    probe: int
    """The probe's number."""
    at: str
    """When it was signed, as it was written."""
    digest: str
    """SHA-256 of the body, hexadecimal."""
    signature: str

    @property
    def moment(self) -> datetime.datetime:
        """When it was signed."""
        return _moment(self.at)

    def verify(self, key: Ed25519PublicKey, method: str, path: str) -> None:
        """Check whose request it is, for method and path.

        The body is another matter: see :meth:`fits`. Raises
        :class:`~countersign.certification.signing.SignatureError`.
        """
        octets = request_octets(method, path, self.at, self.digest)
        verify(key, Purpose.REQUEST, octets, self.signature)

    def fits(self, body: bytes) -> bool:
        """Tell whether a body is the one that was signed."""
        return hashlib.sha256(body).hexdigest() == self.digest

    def __str__(self) -> str:
        return (
            f'{SCHEME} id="{self.probe}", at="{self.at}", '
            f'digest="{self.digest}", signature="{self.signature}"'
        )


def authorize(
    key: Ed25519PrivateKey,
    probe: int,
    method: str,
    path: str,
    *,
    body: bytes,
    now: datetime.datetime,
) -> Authorization:
    """Return the header of a probe's request. path: with neither scheme, host nor query."""
    at = now.astimezone(datetime.UTC).strftime(_AT)
    digest = hashlib.sha256(body).hexdigest()
    signature = sign(key, Purpose.REQUEST, request_octets(method, path, at, digest))
    return Authorization(probe, at, digest, signature)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return by what people compare a key: the first 16 octets of its SHA-256, hexadecimal."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]


def parse_authorization(text: str) -> Authorization:
    """Return what the header says. Raises :class:`AuthorizationError`."""
    found = _FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if found is None:
        raise AuthorizationError(
            f"the Authorization header is not of the form '{SCHEME} id=…, at=…, digest=…, "
            "signature=…'"
        )
    # Upper case is taken for the scheme only: the rest was signed as it is.
    at, digest = found["at"], found["digest"]
    if at.upper() != at or digest.lower() != digest:
        raise AuthorizationError("at or digest is not written as it is signed")
    try:
        _moment(at)
    except ValueError:
        raise AuthorizationError("at is no moment that there is") from None
    return Authorization(int(found["id"]), at, digest, found["signature"])


def _moment(at: str) -> datetime.datetime:
    return datetime.datetime.strptime(at, _AT).replace(tzinfo=datetime.UTC)
