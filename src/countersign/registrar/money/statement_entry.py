"""What a bank's statement tells: entries, and the movements of money that they are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from countersign.registrar.money.reference import find_references

MAX_TEXT = 4000
"""Characters of remittance information that are kept of one transaction."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One transaction of an entry, as the bank describes it (``TxDtls``)."""

    amount: int | None
    """In the minor unit of `currency`; None if the bank gives none."""
    currency: str
    is_credit: bool | None
    """None if it is as the entry says."""
    end_to_end_id: str
    creditor_reference: str
    """ISO 11649, valid, without spaces; or empty."""
    text: str
    """Remittance information, and structured references of other kinds; may be empty."""
    debtor: str
    creditor: str
    is_returned: bool
    """The bank sends back a payment that did not reach its goal (``RtrInf``)."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One movement of money, to be matched to an invoice."""

    key: str
    """The same at every import, and no other transaction's; at most 80 characters."""
    amount: int
    currency: str
    is_credit: bool
    """True: the account received it."""
    booked_on: date
    value_on: date
    bank_reference: str
    end_to_end_id: str
    creditor_reference: str
    text: str
    counterparty: str
    is_reversal: bool
    is_returned: bool
    is_unsplit: bool
    """A batch whose parts the bank does not tell apart: for a person to look at."""

    def invoice_numbers(self) -> list[int]:
        """Return the invoices whose references the payer has given, wherever he put them."""
        return find_references("\n".join((self.creditor_reference, self.end_to_end_id, self.text)))


@dataclass(frozen=True, slots=True)
class Entry:
    """One booked entry of a statement."""

    key: str
    """SHA-256, in hexadecimal, of what identifies the entry."""
    statement: str
    account: str
    """IBAN, or the bank's own form of number."""
    amount: int
    """In the currency's minor unit; never negative."""
    currency: str
    is_credit: bool
    is_reversal: bool
    """The entry takes an earlier one back (``RvslInd``); is_credit is this entry's direction."""
    booked_on: date
    value_on: date
    bank_reference: str
    """``AcctSvcrRef``; empty if the bank gives none."""
    text: str
    details: tuple[Detail, ...]

    def transactions(self) -> tuple[Transaction, ...]:
        """Return the movements of which the entry is made.

        A batch is split where its parts have amounts that add up to the entry's; otherwise
        the entry is one transaction.
        """
        if len(self.details) <= 1:
            return (self._transaction(self.key, self._only_detail(), self.amount, self.is_credit),)
        if self._adds_up():
            return tuple(
                self._transaction(
                    f"{self.key}/{number}",
                    detail,
                    detail.amount or 0,
                    self.is_credit if detail.is_credit is None else detail.is_credit,
                )
                for number, detail in enumerate(self.details, 1)
            )
        parts = (
            part
            for detail in self.details
            for part in (detail.creditor_reference, detail.end_to_end_id, detail.text)
        )
        text = "\n".join(filter(None, (*parts, self.text)))[:MAX_TEXT]
        whole = replace(_NOTHING, text=text)
        return (
            replace(
                self._transaction(self.key, whole, self.amount, self.is_credit),
                is_unsplit=True,
                is_returned=any(detail.is_returned for detail in self.details),
            ),
        )

    def _only_detail(self) -> Detail:
        detail = self.details[0] if self.details else _NOTHING
        return detail if detail.text else replace(detail, text=self.text)

    def _adds_up(self) -> bool:
        total = 0
        for detail in self.details:
            if detail.amount is None or detail.currency != self.currency:
                return False
            same = detail.is_credit is None or detail.is_credit == self.is_credit
            total += detail.amount if same else -detail.amount
        return total == self.amount

    def _transaction(self, key: str, detail: Detail, amount: int, is_credit: bool) -> Transaction:
        return Transaction(
            key=key,
            amount=amount,
            currency=self.currency,
            is_credit=is_credit,
            booked_on=self.booked_on,
            value_on=self.value_on,
            bank_reference=self.bank_reference,
            end_to_end_id=detail.end_to_end_id,
            creditor_reference=detail.creditor_reference,
            text=detail.text,
            counterparty=detail.debtor if is_credit else detail.creditor,
            is_reversal=self.is_reversal,
            is_returned=detail.is_returned,
            is_unsplit=False,
        )


_NOTHING = Detail(None, "", None, "", "", "", "", "", False)
