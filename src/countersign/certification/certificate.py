"""What can be said of a server's certificate: for information, nobody fails by it. Pure.

Receivers of mail verify a host by calling it back, not by a certificate (DESIGN §3); some senders
look at it all the same (RFC 8461, RFC 7672).
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from countersign.certification.judge import Judgement, information, passed, untested
from countersign.certification.outcome import printable

_MAX_NAMES = 5
_LONGEST = 150
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def judge_certificate(der: bytes | None, host: str, now: datetime) -> Judgement:
    """Say whose a certificate is, by whom, until when, and what is wrong with it.

    ``der``: the certificate; ``now``: aware. Anything that is wrong is for information only.
    """
    if not der:
        return untested("The server showed no certificate.")
    try:
        certificate = x509.load_der_x509_certificate(der)
        told, faults = _told(certificate), _faults(certificate, host, now)
    except _UNREADABLE as error:
        # What strangers put into certificates goes beyond what can be read.
        return information(f"The certificate cannot be read: {printable(str(error)[:200])}.")
    if faults:
        return information(f"The certificate {' and '.join(faults)}. {told}")
    return passed(told)


def _told(certificate: x509.Certificate) -> str:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (
        f"Of {_short(_subject(certificate))}, by {_short(certificate.issuer.rfc4514_string())}, "
        f"from {begin:%Y-%m-%d} to {end:%Y-%m-%d}."
    )


def _faults(certificate: x509.Certificate, host: str, now: datetime) -> list[str]:
    """Complete 'the certificate …'."""
    faults = []
    if now > certificate.not_valid_after_utc:
        faults.append("is expired")
    if now < certificate.not_valid_before_utc:
        faults.append("is not yet valid")
    if _is_self_signed(certificate):
        faults.append("is self-signed")
    names = _names(certificate)
    if not any(_is_for(name, host) for name in names):
        shown = ", ".join(_short(name) for name in names[:_MAX_NAMES]) or "nothing"
        faults.append(f"is for {shown}, and not for {host}")
    return faults


def _subject(certificate: x509.Certificate) -> str:
    # Many certificates have an empty subject by now, and names as an extension only.
    return certificate.subject.rfc4514_string() or ", ".join(_names(certificate)[:_MAX_NAMES])


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(attribute.value) for attribute in common]
    return extension.value.get_values_for_type(x509.DNSName)


def _is_for(pattern: str, host: str) -> bool:
    """Compare names; a wildcard stands for one label (RFC 9525 §6.3)."""
    pattern = pattern.lower().removesuffix(".")
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return host == pattern


def _is_self_signed(certificate: x509.Certificate) -> bool:
    if certificate.issuer != certificate.subject:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        return False
    return True


def _short(text: str) -> str:
    return printable(text[:_LONGEST])
