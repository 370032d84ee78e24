"""What the texts are filled with in the tests."""

from __future__ import annotations

from datetime import UTC, date, datetime

from countersign.registrar.documents.sheet import Party
from countersign.registrar.documents.text import Kind, Value, current, placeholders

MADE_AT = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
ISSUER = Party("The Mail Server Registrar", "1 Registry Lane\n1200 Geneva\nSwitzerland")
OWNER = Party("O'Brien & Sons Pty Ltd", "12 Collins Street\nMelbourne VIC 3000\nAustralia")

VALUES: dict[str, Value] = {
    "registrar_name": ISSUER.name,
    "registrar_address": ISSUER.address,
    "registrar_url": "https://registrar.example",
    "owner_name": OWNER.name,
    "owner_address": OWNER.address,
    "hostname": "mail.obrien.example",
    "bond": "USD 2,500.00",
    "share": "USD 833.34",
    "sponsors": ["mx.one.example", "mx.two.example"],
    "yearly_fee": "USD 120.00",
    "contract_date": date(2026, 3, 1),
    "reply_days": 14,
    "young_domain_months": 12,
    "sponsors_needed": 3,
    "trusted_months": 12,
    "sponsor_name": "Vouching Ltd",
    "sponsor_hostname": "mx.vouching.example",
}


def values_with(kind: Kind, text: str) -> dict[str, Value]:
    """Return values in which every placeholder that takes text has this one."""
    names = placeholders(kind, current(kind))
    return {
        name: [text, text] if name == "sponsors" else text
        for name in names.required | names.optional
    }
