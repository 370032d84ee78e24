"""Hashing and signing of mail against dkimpy, as ratios: python -m benchmarks.signing."""

from __future__ import annotations

import base64
import hashlib
import random
import time
from collections.abc import Callable

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim.canonicalization import Relaxed
from rich.console import Console
from rich.table import Table

from countersign.mail.dkim.body import BodyHasher
from countersign.mail.dkim.signature import SigningKey, signature_field
from countersign.mail.trace import split_fields

CHUNK = 65_535
"""Octets that a milter is handed at a time."""
HEADER = b"From: a@example.com\r\nTo: b@example.org\r\nSubject: Hi\r\nDate: x\r\n"


def bodies() -> dict[str, bytes]:
    """Return bodies of several kinds, the same in each run."""
    source = random.Random(7)
    words = [source.randbytes(source.randint(2, 9)).hex().encode() for _ in range(4000)]
    lines = [b" ".join(source.choices(words, k=6)) for _ in range(60_000)]
    markup = [b" " * source.randint(0, 24) + b"<td>" + line[:40] for line in lines]
    return {
        "text": b"\r\n".join([*lines, b""]),
        "HTML, indented": b"\r\n".join([*markup, b""]),
        "base 64": base64.encodebytes(source.randbytes(4_000_000)).replace(b"\n", b"\r\n"),
        "empty lines": b"\r\n" * 2_000_000 + b"x\r\n",
        # Before anything else than CRLF they would take dkimpy the square of their number.
        "spaces": b" " * 4_000_000 + b"\r\n",
        "pairs of spaces": b"a  " * 1_300_000 + b"\r\n",
    }


def ours(body: bytes) -> bytes:
    hasher = BodyHasher()
    for start in range(0, len(body), CHUNK):
        hasher.feed(body[start : start + CHUNK])
    return hasher.digest()


def theirs(body: bytes) -> bytes:
    return hashlib.sha256(Relaxed.canonicalize_body(body)).digest()


def fastest(work: Callable[[], object], times: int = 3) -> float:
    """Return the seconds of the fastest of some runs."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> None:
    """Measure, and print a table."""
    table = Table("what", "unit", "ours", "dkimpy", "ratio")
    for name, body in bodies().items():
        assert ours(body) == theirs(body)
        mine, other = fastest(lambda b=body: ours(b)), fastest(lambda b=body: theirs(b))
        size = len(body) / 1e6
        table.add_row(
            f"body of {name}",
            "MB/s",
            f"{size / mine:.0f}",
            f"{size / other:.0f}",
            f"{other / mine:.1f}",
        )
    private = {"rsa": generate_private_key(65537, 2048), "ed25519": Ed25519PrivateKey.generate()}
    for name, key in private.items():
        signing = SigningKey("s", key)
        if name == "rsa":
            secret = key.private_bytes(
                Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
            )
        else:
            raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            secret = base64.b64encode(raw)
        mine = fastest(lambda s=signing: sign_many(s)) / 50
        other = fastest(lambda n=name, k=secret: sign_many_by_dkimpy(n, k)) / 50
        table.add_row(
            f"{name} signature",
            "µs",
            f"{mine * 1e6:.0f}",
            f"{other * 1e6:.0f}",
            f"{other / mine:.1f}",
        )
    Console().print(table)


def sign_many(key: SigningKey) -> None:
    fields = split_fields(HEADER)
    for _ in range(50):
        signature_field(fields, ours(b"Hi\r\n"), domain="mail.example.com", key=key, at=1)


def sign_many_by_dkimpy(kind: str, secret: bytes) -> None:
    for _ in range(50):
        dkim.sign(
            HEADER + b"\r\nHi\r\n",
            b"s",
            b"mail.example.com",
            secret,
            canonicalize=(b"relaxed", b"relaxed"),
            signature_algorithm=f"{kind}-sha256".encode(),
        )


if __name__ == "__main__":
    main()
