"""One made-up server as rows of all tables that it appears in."""

from __future__ import annotations

import datetime
import itertools
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from dateutil.relativedelta import relativedelta

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.particulars.text import fold
from countersign.registrar.seed.cast import Organisation
from countersign.registrar.seed.lives import PUBLIC_REASON, Life
from countersign.rules.life_cycle import Action, State
from countersign.storage.database.accounts import Account
from countersign.storage.database.base import Base
from countersign.storage.database.money import (
    Invoice,
    InvoiceKind,
    InvoiceState,
    LedgerAccount,
    Payment,
    PaymentSource,
    Purpose,
    Transfer,
    TransferKind,
)
from countersign.storage.database.publication import Listing, ZoneChange
from countersign.storage.database.servers import ApplicantKind, Server, ServerEvent

_BONDED = 0.25
_KINDS = {True: ApplicantKind.BUSINESS, False: ApplicantKind.INDIVIDUAL}
_LISTINGS = {
    State.ACTIVE: Listing.REGISTERED,
    State.SUSPENDED: Listing.SUSPENDED,
    State.DEREGISTERED: Listing.ABSENT,
    State.LAPSED: Listing.ABSENT,
    State.WITHDRAWN: Listing.ABSENT,
}


@dataclass(slots=True)
class Batch:
    """Rows to insert, and how much the counters grow."""

    rows: dict[type[Base], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    states: Counter[State] = field(default_factory=Counter)
    months: Counter[tuple[datetime.date, str]] = field(default_factory=Counter)
    places: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommonAccounts:
    """Keys of the ledger accounts that all servers share."""

    bank: int
    unallocated: int
    fee_income: int
    forfeited: int


class RowMaker:
    """Turns organisations and lives into rows, with keys that count on from those in use."""

    def __init__(
        self,
        config: RegistrarConfig,
        common: CommonAccounts,
        next_keys: dict[type[Base], int],
        draw: random.Random,
    ) -> None:
        self.batch = Batch()
        self._config = config
        self._common = common
        self._draw = draw
        self._keys = {model: itertools.count(first) for model, first in next_keys.items()}

    def take(self) -> Batch:
        """Return what has been made since the last call."""
        batch, self.batch = self.batch, Batch()
        return batch

    def add(self, organisation: Organisation, life: Life) -> None:
        """Make a server, its owner, its events, its money."""
        owner = self._add(
            Account,
            email=f"postmaster@{organisation.domain}",
            name=organisation.contact,
            password_hash="",
            created_at=life.created_at,
            email_confirmed_at=life.created_at,
            failures=0,
            totp_last_step=0,
        )
        server = self._server_row(organisation, life, owner)
        self.batch.rows[Server].append(server)
        self._add_events(life, server)
        self._add_money(life, server)
        self._count(organisation, life, server)

    def _add(self, model: type[Base], **columns: Any) -> int:
        key = next(self._keys[model])
        self.batch.rows[model].append({"id": key, **columns})
        return key

    def _server_row(self, organisation: Organisation, life: Life, owner: int) -> dict[str, Any]:
        activated = life.when(Action.ACTIVATE)
        suspended = life.when(Action.SUSPEND)
        is_bonded = activated is not None and self._draw.random() < _BONDED
        money = self._config.money
        return {
            "id": next(self._keys[Server]),
            "hostname": organisation.hostname,
            "state": life.state,
            "state_since": life.state_since,
            "version": 1 + len(life.happenings),
            "owner_id": owner,
            "kind": ApplicantKind.BUSINESS
            if organisation.is_business
            else ApplicantKind.INDIVIDUAL,
            "created_at": life.created_at,
            "submitted_at": life.when(Action.SUBMIT),
            "in_dns_at": life.when(Action.SUBMIT),
            "display_name": organisation.name[:255],
            "display_key": fold(organisation.name)[:255],
            "country": organisation.city.country,
            "region": organisation.region,
            "city": organisation.city.name,
            "latitude": organisation.city.latitude,
            "longitude": organisation.city.longitude,
            "takes_customers": organisation.takes_customers,
            "public_email": f"postmaster@{organisation.domain}",
            "public_phone": "",
            "website": f"https://www.{organisation.domain}/",
            "domain": organisation.domain,
            "domain_registered_on": (
                life.created_at - datetime.timedelta(days=self._draw.randrange(30, 7000))
            ).date(),
            "matched_offender": False,
            "offences": int(suspended is not None),
            "last_offence_on": suspended.date() if suspended else None,
            "active_since": activated.date() if activated else None,
            "bond_due": money.bond if is_bonded else 0,
            "bond_currency": money.currency,
            "bond_reasons": [],
            "fee_paid_until": self._paid_until(life),
            "offer_ends_on": None,
            "public_reason": PUBLIC_REASON if life.state is State.SUSPENDED else "",
            "remedy": "",
        }

    def _paid_until(self, life: Life) -> datetime.date | None:
        activated = life.when(Action.ACTIVATE)
        if activated is None:
            return None
        until = activated.date()
        while until <= life.state_since.date() or (
            life.state is State.ACTIVE and until <= datetime.datetime.now(datetime.UTC).date()
        ):
            until += relativedelta(years=1)
        return life.state_since.date() if life.state is State.LAPSED else until

    def _add_events(self, life: Life, server: dict[str, Any]) -> None:
        common = {"server_id": server["id"], "public_text": "", "details": {}}
        self._add(
            ServerEvent,
            **common,
            at=life.created_at,
            account_id=server["owner_id"],
            role="owner",
            action="begin",
            from_state=None,
            to_state=State.DRAFT,
            reason="",
        )
        was_listed = False
        for one in life.happenings:
            event = self._add(
                ServerEvent,
                **common,
                at=one.at,
                account_id=server["owner_id"] if one.role == "owner" else None,
                role=one.role,
                action=str(one.action),
                from_state=one.begin,
                to_state=one.to,
                reason=one.reason,
            )
            listing = _LISTINGS.get(one.to)
            if listing is None or (listing is Listing.ABSENT and not was_listed):
                continue
            was_listed = listing is not Listing.ABSENT
            self._add(
                ZoneChange,
                at=one.at,
                server_id=server["id"],
                hostname=server["hostname"],
                listing=listing,
                text=PUBLIC_REASON if listing is Listing.SUSPENDED else "",
                event_id=event,
            )

    def _add_money(self, life: Life, server: dict[str, Any]) -> None:
        activated = life.when(Action.ACTIVATE)
        if activated is None:
            return
        fee = self._config.money.yearly_fee
        years = max(1, relativedelta(server["fee_paid_until"], activated.date()).years)
        for year in range(years):
            at = activated + relativedelta(years=year)
            self._pay(server, InvoiceKind.FEE, fee, at, self._common.fee_income)
        if server["bond_due"]:
            held = self._add(
                LedgerAccount,
                purpose=Purpose.BOND_HELD,
                currency=server["bond_currency"],
                server_id=server["id"],
                balance=server["bond_due"],
            )
            self._pay(server, InvoiceKind.BOND, server["bond_due"], activated, held)

    def _pay(
        self,
        server: dict[str, Any],
        kind: InvoiceKind,
        amount: int,
        at: datetime.datetime,
        account: int,
    ) -> None:
        if amount <= 0:
            return
        currency = self._config.money.currency
        invoice = self._add(
            Invoice,
            server_id=server["id"],
            kind=kind,
            state=InvoiceState.PAID,
            amount=amount,
            currency=currency,
            issued_at=at - datetime.timedelta(days=10),
            due_on=(at + datetime.timedelta(days=20)).date(),
            settled_at=at,
        )
        payment = self._add(
            Payment,
            source=PaymentSource.STATEMENT,
            external_key=f"seed-{invoice}",
            amount=amount,
            currency=currency,
            received_on=at.date(),
            note="",
            allocated=amount,
            recorded_at=at,
        )
        for step, debit, credit, name in (
            (TransferKind.PAYMENT, self._common.bank, self._common.unallocated, "payment"),
            (TransferKind.ALLOCATION, self._common.unallocated, account, "allocation"),
        ):
            self._add(
                Transfer,
                at=at,
                kind=step,
                debit_account_id=debit,
                credit_account_id=credit,
                amount=amount,
                currency=currency,
                reference=f"seed:{name}:{payment}",
                server_id=server["id"] if step is TransferKind.ALLOCATION else None,
                invoice_id=invoice if step is TransferKind.ALLOCATION else None,
                payment_id=payment,
            )

    def _count(self, organisation: Organisation, life: Life, server: dict[str, Any]) -> None:
        self.batch.states[life.state] += 1
        for one in life.happenings:
            self.batch.months[one.at.date().replace(day=1), str(one.action)] += 1
        if life.state is not State.ACTIVE:
            return
        place = self.batch.places.setdefault(
            (server["country"], server["city"]),
            {
                "region": organisation.region,
                "latitude": organisation.city.latitude,
                "longitude": organisation.city.longitude,
                "servers": 0,
                "providers": 0,
            },
        )
        place["servers"] += 1
        place["providers"] += int(organisation.takes_customers)
