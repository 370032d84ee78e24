"""Who the parties of a contract are, by name and address, as its text wants them (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Sequence

from countersign.registrar.documents.sheet import Party
from countersign.registrar.documents.text import Value
from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations import dossier
from countersign.registrar.operations.office import Work
from countersign.registrar.particulars.address import Address
from countersign.registrar.particulars.places import country_name
from countersign.storage.database.accounts import Account
from countersign.storage.database.servers import Server


def registrar_party(work: Work) -> Party:
    """Return the registrar."""
    return Party(work.config.operator_name, work.config.operator_address)


def owner_party(work: Work, server: Server) -> Party:
    """Return the owner of a server as the application names it, or else as the account does."""
    particulars = dossier.load(work, server.id)
    owner = particulars.company or particulars.owner
    if owner is None:
        return Party(work.session.get_one(Account, server.owner_id).name)
    return Party(owner.name, written_address(owner.address))


def owner_number(work: Work, server: Server) -> str:
    """Return the number under which a company is registered; empty for individuals."""
    company = dossier.load(work, server.id).company
    if company is None:
        return ""
    registration = company.registration
    numbers = (("ACN", registration.acn), ("ABN", registration.abn), ("", registration.number))
    return ", ".join(f"{name} {number}".strip() for name, number in numbers if number)


def written_address(address: Address) -> str:
    """Return a postal address in lines."""
    town = " ".join(
        part for part in (address.locality, address.region, address.postal_code) if part
    )
    lines = (address.line1, address.line2, address.line3, town, country_name(address.country))
    return "\n".join(line for line in lines if line)


def common_values(work: Work) -> dict[str, Value]:
    """Return what all texts say of the registrar and its figures."""
    money = work.config.money
    return {
        "registrar_name": work.config.operator_name,
        "registrar_address": work.config.operator_address,
        "registrar_url": work.config.url,
        "contract_date": work.today,
        "yearly_fee": format_amount(money.yearly_fee, money.currency),
        "reply_days": money.reply_days,
        "reminder_days": enumerated(sorted(money.reminder_days, reverse=True)),
        "notice_days": money.notice_days,
        "claim_days": money.claim_days,
        "young_domain_months": money.young_domain_months,
        "trusted_months": money.trusted_months,
        "sponsors_needed": money.sponsors,
    }


def enumerated(numbers: Sequence[int]) -> str:
    """Return numbers as a sentence has them: ``30, 7 and 1``."""
    *others, last = map(str, numbers)
    return f"{', '.join(others)} and {last}" if others else last
