"""Which needs of a transition do not hold now: each answered from the data (DESIGN §6)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable

from sqlalchemy import select

from countersign.registrar.documents.text import Kind
from countersign.registrar.documents.text import current as current_version
from countersign.registrar.operations.certifications import has_passed
from countersign.registrar.operations.dossier import is_complete, unconfirmed_contacts
from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.office import Work
from countersign.rules.life_cycle import Need
from countersign.rules.screening import Verdict
from countersign.storage.database.promises import ContractAcceptance
from countersign.storage.database.screening import ScreeningRecord
from countersign.storage.database.servers import Server

CONTRACT = Kind.REGISTRATION_CONTRACT
_DNS_ANSWER_HOURS = 1
"""How long an answer of the DNS counts: the applicant's page asks before it submits."""


def unmet_needs(work: Work, server: Server, needs: Iterable[Need]) -> frozenset[Need]:
    """Return those of some needs that do not hold."""
    return frozenset(need for need in needs if not _HOLDS[need](work, server))


def _in_dns(work: Work, server: Server) -> bool:
    recent = work.now - datetime.timedelta(hours=_DNS_ANSWER_HOURS)
    return server.in_dns_at is not None and server.in_dns_at >= recent


def _confirmed(work: Work, server: Server) -> bool:
    return not unconfirmed_contacts(work, server)


def _screened(work: Work, server: Server) -> bool:
    record = work.session.scalar(
        select(ScreeningRecord)
        .where(ScreeningRecord.server_id == server.id)
        .order_by(ScreeningRecord.id.desc())
        .limit(1)
    )
    return record is not None and record.decision in (Verdict.CLEAN, Verdict.MULTIPLY)


def has_accepted_contract(work: Work, server: Server) -> bool:
    """Tell whether the owner accepted the contract in its present version."""
    return (
        work.session.scalar(
            select(ContractAcceptance.id).where(
                ContractAcceptance.server_id == server.id,
                ContractAcceptance.kind == CONTRACT,
                ContractAcceptance.version == current_version(CONTRACT),
            )
        )
        is not None
    )


def has_bond(work: Work, server: Server) -> bool:
    """Tell whether all of the bond due is held."""
    return bond_held(work, server.id, server.bond_currency) >= server.bond_due


def _fee(work: Work, server: Server) -> bool:
    return server.fee_paid_until is not None and server.fee_paid_until >= work.today


def _remedy(_work: Work, server: Server) -> bool:
    return not server.remedy or server.remedy_done_at is not None


_HOLDS: dict[Need, Callable[[Work, Server], bool]] = {
    Need.COMPLETE: is_complete,
    Need.IN_DNS: _in_dns,
    Need.CONFIRMED: _confirmed,
    Need.SCREENED: _screened,
    Need.TESTED: has_passed,
    Need.CONTRACT: has_accepted_contract,
    Need.BOND: has_bond,
    Need.FEE: _fee,
    Need.REMEDY: _remedy,
}
