"""Messages of all kinds to sign, and what stands in the DNS for the keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from countersign.mail.dkim.body import BodyHasher
from countersign.mail.dkim.signature import SigningKey, signature_field
from countersign.mail.trace import split_fields

DOMAIN = "mail.example.com"
ED25519 = SigningKey("cs2611a", Ed25519PrivateKey.generate())
RSA = SigningKey("cs2611b", generate_private_key(65537, 2048))
KEYS = (ED25519, RSA)
AT = 1_795_600_000


def split(message: bytes) -> tuple[list[bytes], bytes]:
    """Return the fields of the header section, and the body."""
    header, _, body = message.partition(b"\r\n\r\n")
    return split_fields(header + b"\r\n"), body


def signed(message: bytes, keys: Sequence[SigningKey] = KEYS) -> bytes:
    """Return a message with a signature by each key before it."""
    fields, body = split(message)
    hasher = BodyHasher()
    hasher.feed(body)
    signatures = [
        signature_field(fields, hasher.digest(), domain=DOMAIN, key=key, at=AT) for key in keys
    ]
    return b"".join(signatures) + message


def dns_of(keys: Sequence[SigningKey] = KEYS) -> Callable[..., bytes | None]:
    """Return what dkimpy asks for key records."""
    records = {f"{key.selector}._domainkey.{DOMAIN}.": key.record.encode() for key in keys}

    def ask(name: bytes | str, **_: object) -> bytes | None:
        return records.get(name.decode() if isinstance(name, bytes) else name)

    return ask


def _written() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Zoë Müller <zoe@example.com>"
    message["To"] = ", ".join(f"friend{number}@example.org" for number in range(40))
    message["Subject"] = "A subject with ünïcode that is long enough to be folded, " * 3
    message["Date"] = "Wed, 25 Nov 2026 08:00:05 +0000"
    message["Message-ID"] = "<1@example.com>"
    message.set_content("Text with  spaces \t \n\n\nand lines\n\n\n")
    return message


def with_parts() -> bytes:
    """Return a message with a text, a page and a file."""
    message = _written()
    message.add_alternative("<p>Text</p>\n" * 50, subtype="html")
    message.add_attachment(
        bytes(range(256)) * 200, maintype="application", subtype="octet-stream", filename="ä.bin"
    )
    return message.as_bytes(policy=SMTP)


MESSAGES = {
    "short": b"From: a@example.com\r\nTo: b@example.org\r\nSubject: Hi\r\n\r\nHello\r\n",
    "with parts": with_parts(),
    "in UTF-8": _written().as_bytes(policy=SMTPUTF8),
    "without a body": b"From: a@example.com\r\nSubject: nothing\r\n\r\n",
    "of empty lines": b"From: a@example.com\r\nSubject: lines\r\n\r\n" + b"\r\n" * 1000,
    "of spaces": b"From: a@example.com\r\nSubject: spaces\r\n\r\n" + b" " * 900 + b"\r\n",
    "oddly folded": (
        b"from:a@example.com\r\nSUBJECT:\r\n\t\r\n  folded \t twice \t\r\nTo:\tb@example.org\r\n"
        b"Received: from x\r\n\tby y\r\nReceived: from z\r\nSubject: again\r\n"
        b"List-Id: <list.example.com>\r\nX-Empty:\r\n\r\n\t leading\t\tand trailing \t\r\n\r\n\r\n"
    ),
    "stamped": (
        b"Message-Tracking: v=1; host=mail.example.com;\r\n\tid=aaaqeayeaudaocajbifqydiob4;"
        b" t=2026-11-25T08:00:05Z\r\nFrom: a@example.com\r\nCc: c@example.org\r\n"
        b"Subject: stamped\r\nDate: Wed, 25 Nov 2026 08:00:05 +0000\r\n\r\nText\r\n.\r\n..\r\n"
    ),
}
