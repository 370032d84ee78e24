"""Signatures: another implementation verifies them, and finds every change."""

from __future__ import annotations

import base64
import re

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.mail.dkim.key_record import normalise_key_record
from countersign.mail.dkim.signature import SigningKey, signature_field
from tests.mail.dkim.messages import AT, DOMAIN, ED25519, KEYS, MESSAGES, dns_of, signed, split
from tests.mail.dkim.test_body import bodies, digest_of
from tests.mail.dkim.test_header import words


def verifies(message: bytes, count: int = len(KEYS)) -> list[bool]:
    """Say of each signature whether dkimpy believes it; one that it cannot read is none."""
    results = []
    for index in range(count):
        try:
            results.append(dkim.DKIM(message).verify(index, dnsfunc=dns_of()))
        except dkim.DKIMException:
            results.append(False)
    return results


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_another_implementation_verifies_messages_of_all_kinds(message: bytes) -> None:
    assert verifies(signed(message)) == [True, True]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"Subject", b"to", b"X-Other", b"Message-Tracking", b"list-id"]),
            words.filter(lambda value: not re.search(rb"\r\n[ \t]*(\r\n|\Z)", value)),
        ),
        max_size=8,
    ),
    bodies.filter(lambda body: not re.search(rb"(?<!\r)\n|\r(?!\n)", body)),
)
def test_another_implementation_verifies_whatever_is_signed(
    content: list[tuple[bytes, bytes]], body: bytes
) -> None:
    header = b"".join(name + b":" + value + b"\r\n" for name, value in content)
    message = b"From: a@example.com\r\n" + header + b"\r\n" + body + b"\r\n"
    assert verifies(signed(message)) == [True, True]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Text\r\n", b"text\r\n"),
        (b"Text\r\n", b"Text\r\nmore\r\n"),
        (b"id=a", b"id=b"),
        (b"From: a@", b"From: b@"),
        (b"From: a", b"From: b@example.com\r\nFrom: a"),
        (b"Subject: s", b"Subject: another\r\nSubject: s"),
        (b"Message-Tracking", b"Message-Tracking: v=1\r\nMessage-Tracking"),
        (b"Cc: c", b"To: x@example.org\r\nCc: c"),
        (b"Cc: c@example.org\r\n", b""),
        (b"Date: ", b"Reply-To: x@example.org\r\nDate: "),
        (b"Date: ", b"Content-Type: text/html\r\nDate: "),
    ],
)
def test_every_change_is_found(old: bytes, new: bytes) -> None:
    message = signed(MESSAGES["stamped"])
    assert old in message
    assert verifies(message.replace(old, new)) == [False, False]


def test_what_relays_do_on_the_way_is_no_change() -> None:
    message = signed(MESSAGES["stamped"])
    passed = b"Received: from x\r\n\tby y\r\n" + message.replace(b"Text\r\n", b"Text  \r\n")
    passed = passed.replace(b"\r\n\tid=", b" id=").replace(b"\r\n\r\nText", b"\r\n\r\nText\t")
    assert verifies(passed + b"\r\n") == [True, True]


def test_the_field_is_folded_and_says_what_the_design_says() -> None:
    field = signed(MESSAGES["with parts"], [KEYS[1]]).partition(b"From:")[0]
    assert max(len(line) for line in field.split(b"\r\n")) <= 78
    tags = dict(
        part.strip().split("=", 1)
        for part in field.decode().replace("\r\n", "").partition(":")[2].split(";")
    )
    assert (tags["v"], tags["a"], tags["c"]) == ("1", "rsa-sha256", "relaxed/relaxed")
    assert (tags["d"], tags["s"], tags["t"]) == (DOMAIN, "cs2611b", str(AT))
    assert "l" not in tags


@pytest.mark.parametrize("key", KEYS, ids=["ed25519", "rsa"])
def test_the_public_half_is_a_record_that_the_registrar_takes(key: SigningKey) -> None:
    assert normalise_key_record(key.record) == key.record


def test_nothing_shows_a_private_key() -> None:
    assert "private" not in repr(ED25519)


# RFC 8463, appendix A.
RFC_KEY = Ed25519PrivateKey.from_private_bytes(
    base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
)
RFC_MESSAGE = (
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
    b"\r\n"
    b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
)
RFC_SIGNATURE = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b="
)
RFC_VALUE = (
    "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
)


def test_the_example_of_the_standard_comes_out_to_the_octet() -> None:
    import hashlib

    from countersign.mail.dkim.header import relaxed_field

    fields, body = split(RFC_MESSAGE)
    assert base64.b64encode(digest_of([body])) == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    own = relaxed_field(RFC_SIGNATURE).removesuffix(b"\r\n")
    order = (b"From", b"To", b"Subject", b"Date", b"Message-ID")
    signed_fields = [next(f for f in fields if f.startswith(name)) for name in order]
    digest = hashlib.sha256(b"".join(map(relaxed_field, signed_fields)) + own).digest()
    key = SigningKey("brisbane", RFC_KEY)
    assert base64.b64encode(key.sign(digest)).decode() == RFC_VALUE
    assert key.record.endswith("p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")


@given(st.binary(min_size=32, max_size=32), words)
def test_the_signed_form_of_our_own_field_is_what_others_make_of_it(
    body_hash: bytes, value: bytes
) -> None:
    fields = [b"From: a@example.com\r\n", b"Subject:" + value + b"\r\n"]
    field = signature_field(fields, body_hash, domain=DOMAIN, key=ED25519, at=AT)
    name, _, content = field.partition(b":")
    [(_, theirs)] = Relaxed.canonicalize_headers([(name, content)])
    assert base64.b64encode(body_hash) in theirs
