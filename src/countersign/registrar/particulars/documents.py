"""Which scans an application needs (the proposal's 'Mail Server Registration')."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from countersign.registrar.particulars.draft import Missing, Particulars
from countersign.registrar.particulars.person import IdentityKind
from countersign.registrar.particulars.steps import Step


class DocumentKind(StrEnum):
    """What a scan is of; the values are stored."""

    DRIVERS_LICENCE = "drivers-licence"
    PASSPORT = "passport"
    NATIONAL_ID = "national-id"
    BIRTH_CERTIFICATE = "birth-certificate"
    PAYMENT_CARD = "payment-card"
    INCORPORATION = "incorporation"


LABELS: dict[DocumentKind, str] = {
    DocumentKind.DRIVERS_LICENCE: "Driver's licence",
    DocumentKind.PASSPORT: "Passport",
    DocumentKind.NATIONAL_ID: "National identity card",
    DocumentKind.BIRTH_CERTIFICATE: "Birth certificate",
    DocumentKind.PAYMENT_CARD: "Credit card, all digits but the last four covered",
    DocumentKind.INCORPORATION: "Certificate of incorporation or registration",
}


@dataclass(frozen=True, slots=True)
class DocumentWish:
    """A scan that is needed; one of several kinds will do."""

    subject: str
    """Whom it is of: ``owner``, ``company``, ``admin-contact`` or ``director-`` and its key."""
    kinds: tuple[DocumentKind, ...]
    label: str

    def is_met_by(self, subject: str, kind: str) -> bool:
        """Tell whether a scan is what is wished."""
        return subject == self.subject and kind in self.kinds


_SECOND = (DocumentKind.BIRTH_CERTIFICATE, DocumentKind.PAYMENT_CARD)


def documents_wanted(particulars: Particulars) -> list[DocumentWish]:
    """Return the scans that an application needs, as far as its steps are filled in."""
    wishes: list[DocumentWish] = []
    if particulars.owner is not None:
        owner = particulars.owner
        wishes += _of_person("owner", owner.name, owner.identity.kind)
    if particulars.company is not None:
        kind = DocumentKind.INCORPORATION
        label = f"{LABELS[kind]}: {particulars.company.name}"
        wishes.append(DocumentWish("company", (kind,), label))
    if particulars.directors is not None:
        for director in particulars.directors.directors:
            subject = f"director-{director.key}"
            wishes += _of_person(subject, director.name, director.identity.kind)
    if particulars.admin_contact is not None:
        contact = particulars.admin_contact
        wishes += _of_person("admin-contact", contact.name, contact.proof)[:1]
    return wishes


def missing_documents(
    particulars: Particulars, present: Iterable[tuple[str, str]]
) -> list[Missing]:
    """Return the scans that are needed and not there.

    present: (subject, kind) of each scan that was uploaded; a scan that nobody asked for is no
    fault.
    """
    there = list(present)
    return [
        Missing(Step.DOCUMENTS, "", f"Upload this scan: {wish.label}.")
        for wish in documents_wanted(particulars)
        if not any(wish.is_met_by(subject, kind) for subject, kind in there)
    ]


def _of_person(subject: str, name: str, identity: IdentityKind) -> list[DocumentWish]:
    document = DocumentKind(identity.value)
    second = " or ".join(_lower(LABELS[kind]) for kind in _SECOND)
    return [
        DocumentWish(subject, (document,), f"{LABELS[document]}: {name}"),
        DocumentWish(subject, _SECOND, f"{second[:1].upper()}{second[1:]}: {name}"),
    ]


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]
