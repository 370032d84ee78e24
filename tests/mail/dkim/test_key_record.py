"""DKIM key records: read as they are published, refused where they prove nothing."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from countersign.mail.dkim.key_record import normalise_key_record, normalise_selector

ED25519 = base64.b64encode(
    ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
).decode()


def spki(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(octets).decode()


RSA_2048 = spki(rsa.generate_private_key(65537, 2048))
RSA_1024 = spki(rsa.generate_private_key(65537, 1024))
RFC_8463 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_the_example_of_the_standard_is_taken_as_it_stands() -> None:
    assert normalise_key_record(RFC_8463) == RFC_8463


@pytest.mark.parametrize(
    "text",
    [
        f"v=DKIM1; k=rsa; p={RSA_2048}",
        f"p={RSA_2048}",
        f"v=DKIM1;p={RSA_2048};",
        f"v=DKIM1; h=sha256; s=email:*; t=s; n=note; p={RSA_2048}; x=unknown",
        f'"v=DKIM1; k=rsa; " "p={RSA_2048[:100]}" "{RSA_2048[100:]}"',
        f'( "v=DKIM1; k=rsa; p={RSA_2048[:90]}"\n\t"{RSA_2048[90:]}" )',
        f"v = DKIM1 ;\r\n k = rsa ;\r\n p = {RSA_2048[:90]}\r\n  {RSA_2048[90:]}",
    ],
)
def test_forms_in_which_records_are_published_become_one(text: str) -> None:
    assert normalise_key_record(text) == f"v=DKIM1; k=rsa; p={RSA_2048}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "written as"),
        ("v=DKIM1", "no key"),
        ("v=DKIM1; p=", "revoked"),
        (f"v=DKIM2; p={RSA_2048}", "begins with"),
        (f"k=rsa; v=DKIM1; p={RSA_2048}", "begins with"),
        (f"v=DKIM1; p={RSA_1024}", "1024"),
        (f"v=DKIM1; k=ed25519; p={RSA_2048}", "32 octets"),
        (f"v=DKIM1; k=rsa; p={ED25519}", "no RSA"),
        (f"v=DKIM1; p={spki(ec.generate_private_key(ec.SECP256R1()))}", "another kind"),
        (f"v=DKIM1; k=dsa; p={RSA_2048}", "rsa or ed25519"),
        (f"v=DKIM1; h=sha1; p={RSA_2048}", "SHA-256"),
        (f"v=DKIM1; s=tlsrpt; p={RSA_2048}", "e-mail"),
        (f"v=DKIM1; t=y:s; p={RSA_2048}", "tests only"),
        ("v=DKIM1; p=!!!!", "base64"),
        (f"v=DKIM1; p={RSA_2048}; p={RSA_2048}", "twice"),
        ("v=DKIM1; p=" + "A" * 10_000, "too long"),
    ],
)
def test_what_proves_nothing_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        normalise_key_record(text)


@given(st.text(max_size=300))
def test_any_text_is_a_record_or_refused(text: str) -> None:
    try:
        record = normalise_key_record(text)
    except ValueError:
        return
    assert normalise_key_record(record) == record


@given(st.text(max_size=80))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        selector = normalise_selector(text)
    except ValueError:
        return
    assert normalise_selector(selector) == selector
    assert selector.isascii()
    assert len(selector) <= 63
