"""What the demo's two owners write into their applications, and what they scan."""

from __future__ import annotations

import io
from collections.abc import Mapping

from PIL import Image, ImageDraw

from countersign.demo.world import ALPHA, BETA, Host
from countersign.registrar.particulars.steps import Step
from countersign.storage.database.servers import ApplicantKind

_ALICE = {
    "name": "Alice Archer",
    "birth_date": "1979-05-14",
    "address-country": "AU",
    "address-line1": "12 Collins Street",
    "address-locality": "Melbourne",
    "address-region": "VIC",
    "address-postal_code": "3000",
    "phone": "+61 3 9876 5432",
    "identity-kind": "drivers-licence",
    "identity-country": "AU",
    "identity-region": "Victoria",
    "identity-number": "047 356 218",
}
_BOB = {
    **_ALICE,
    "name": "Bob Baker",
    "birth_date": "1984-11-02",
    "address-line1": "4 Hunter Street",
    "address-locality": "Sydney",
    "address-region": "NSW",
    "address-postal_code": "2000",
    "phone": "+61 2 9876 5432",
    "identity-region": "New South Wales",
    "identity-number": "18 472 905",
}

KINDS = {ALPHA.name: ApplicantKind.INDIVIDUAL, BETA.name: ApplicantKind.BUSINESS}
OWNERS = {ALPHA.name: _ALICE["name"], BETA.name: _BOB["name"]}


def forms(host: Host) -> dict[Step, Mapping[str, str]]:
    """Return the forms of a host's application, all but the first."""
    return _of_alpha() if host is ALPHA else _of_beta()


def _of_alpha() -> dict[Step, Mapping[str, str]]:
    return {
        Step.OWNER: {**_ALICE, "email": ALPHA.mailbox},
        Step.ADMIN_CONTACT: _admin("Ada Admin", ALPHA),
        Step.LOCATION: _location("Melbourne", "VIC", "3000", "12 Collins Street"),
        Step.DIRECTORY: {"listed": "on", "name": "Alpha Mail", "website": "www.alpha.example"},
    }


def _of_beta() -> dict[Step, Mapping[str, str]]:
    company = {
        "name": "Beta Internet Pty Ltd",
        "registration-country": "AU",
        "registration-abn": "51 824 753 556",
        "address-country": "AU",
        "address-line1": "4 Hunter Street",
        "address-locality": "Sydney",
        "address-region": "NSW",
        "address-postal_code": "2000",
        "phone": "+61 2 9876 5432",
        "email": BETA.mailbox,
    }
    directory = {
        "listed": "on",
        "name": "Beta Internet",
        "takes_customers": "on",
        "website": "www.beta.example",
    }
    return {
        Step.COMPANY: company,
        Step.DIRECTORS: {f"directors-0-{name}": value for name, value in _BOB.items()},
        Step.ADMIN_CONTACT: _admin("Ben Admin", BETA),
        Step.LOCATION: _location("Sydney", "NSW", "2000", "4 Hunter Street"),
        Step.DIRECTORY: directory,
    }


def _admin(name: str, host: Host) -> dict[str, str]:
    return {
        "name": name,
        "phone": "+61 2 9876 5400",
        "email": f"postmaster@{host.domain}",
        "proof": "passport",
    }


def _location(city: str, region: str, code: str, street: str) -> dict[str, str]:
    return {
        "address-country": "AU",
        "address-line1": street,
        "address-locality": city,
        "address-region": region,
        "address-postal_code": code,
    }


def scan(title: str) -> bytes:
    """Return a picture of a paper, PNG."""
    image = Image.new("RGB", (900, 560), "#f4f1e8")
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 880, 540), outline="#8a7b52", width=4)
    draw.text((60, 60), f"SPECIMEN\n\n{title}\n\nmade for a demonstration", fill="#333333")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
