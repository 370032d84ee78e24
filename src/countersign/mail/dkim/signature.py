"""A DKIM-Signature field: relaxed/relaxed, over-signed, without l= (RFC 6376, RFC 8463)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from countersign.mail.dkim.header import choose, relaxed_field

FIELD_NAME = "DKIM-Signature"
_WIDTH = 76
"""Characters of a line that is folded."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the selector under which its public key is in the DNS."""

    selector: str
    private_key: Ed25519PrivateKey | RSAPrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """Name for a= (RFC 6376 §3.3, RFC 8463 §3)."""
        is_rsa = isinstance(self.private_key, RSAPrivateKey)
        return "rsa-sha256" if is_rsa else "ed25519-sha256"

    @property
    def record(self) -> str:
        """The public key as it is in the DNS (RFC 6376 §3.6.1, RFC 8463 §4.2)."""
        public = self.private_key.public_key()
        if isinstance(self.private_key, RSAPrivateKey):
            kind = "rsa"
            octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, octets = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode('ascii')}"

    def sign(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest (RFC 8463 §3: Ed25519 signs the digest, not the text)."""
        if isinstance(self.private_key, RSAPrivateKey):
            return self.private_key.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        return self.private_key.sign(digest)


def signature_field(
    fields: Sequence[bytes], body_hash: bytes, *, domain: str, key: SigningKey, at: int
) -> bytes:
    """Return the DKIM-Signature field of a message, folded, with CRLF.

    fields: the header section from the top, each with its folded lines. body_hash: as
    :class:`countersign.mail.dkim.body.BodyHasher` makes it. at: seconds since the epoch.
    """
    names, chosen = choose(fields)
    unsigned = "\r\n".join(
        [
            f"{FIELD_NAME}: v=1; a={key.algorithm}; c=relaxed/relaxed; t={at};",
            f"\td={domain}; s={key.selector};",
            *_fold_names(names),
            f"\tbh={base64.b64encode(body_hash).decode('ascii')};",
            "\tb=",
        ]
    ).encode("ascii")
    digest = hashlib.sha256(b"".join(map(relaxed_field, chosen)))
    digest.update(relaxed_field(unsigned).removesuffix(b"\r\n"))
    value = base64.b64encode(key.sign(digest.digest()))
    return unsigned + b"\r\n\t ".join(_cut(value, _WIDTH - 4)) + b"\r\n"


def _fold_names(names: Sequence[str]) -> Iterator[str]:
    line = "\th="
    for place, name in enumerate(names):
        word = name + (":" if place < len(names) - 1 else ";")
        if len(line) + len(word) > _WIDTH:
            yield line
            line = "\t "
        line += word
    yield line


def _cut(octets: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(octets), size):
        yield octets[start : start + size]
