"""Reads one entry of a statement (``Ntry`` in ISO 20022 camt.053), and its transactions."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from xml.etree.ElementTree import Element

from countersign.registrar.money.amount import AmountError, to_minor
from countersign.registrar.money.reference import parse_creditor_reference
from countersign.registrar.money.statement_entry import MAX_TEXT, Detail, Entry

MAX_NAME = 140
MAX_REFERENCE = 70
# An XSD decimal, not negative: leading zeros and a plus sign are allowed there, and do occur.
_AMOUNT = re.compile(r"\+?(?=\.?[0-9])[0-9]{0,30}(?:\.[0-9]{0,10})?\Z")
_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9:.,]{1,30})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?\Z"
)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
# What banks write where they have no reference; it must not be taken for one.
_NO_REFERENCE = frozenset({"", "NONREF", "NOTPROVIDED", "NOT PROVIDED", "NONE", "UNDEFINED"})


class EntryError(Exception):
    """An element of an entry is missing or wrong."""

    def __init__(self, element: str, reason: str) -> None:
        super().__init__(f"{element}: {reason}")


@dataclass(slots=True)
class Heading:
    """What is known of the statement around an entry."""

    statement: str = ""
    account: str = ""


@dataclass(slots=True)
class Occurrences:
    """Tells entries of one statement apart that are alike in all that identifies them."""

    seen: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def key(self, *identity: str) -> str:
        """Return the key of the next entry with this identity."""
        self.seen[identity] += 1
        whole = "\x1f".join((*identity, str(self.seen[identity])))
        return hashlib.sha256(whole.encode()).hexdigest()


def read_entry(
    element: Element,
    namespace: str,
    heading: Heading,
    details: list[Detail],
    occurrences: Occurrences,
) -> Entry | None:
    """Return an entry, or None if it is not booked. Raises :class:`EntryError`."""
    node = _Node(element, namespace)
    # Plain text up to version 7, a code or proprietary word inside since.
    status = node.text("Sts/Cd") or node.text("Sts/Prtry") or node.text("Sts")
    if not status:
        raise EntryError("Sts", "missing")
    if status != "BOOK":
        return None
    amount, currency = node.amount("Amt")
    is_credit = node.direction("CdtDbtInd")
    if is_credit is None:
        raise EntryError("CdtDbtInd", "missing")
    booked_on = node.date("BookgDt") or node.date("ValDt")
    if booked_on is None:
        raise EntryError("BookgDt", "missing")
    bank_reference = node.reference("AcctSvcrRef")
    # The place in the statement is not part of it: banks send the same entries in other orders.
    # Nor is the statement where the bank's own reference names the entry: the same entry may
    # come in the daily statement and again in the monthly one.
    statement = "" if bank_reference else heading.statement
    key = occurrences.key(
        heading.account,
        statement,
        bank_reference or node.reference("NtryRef"),
        booked_on.isoformat(),
        currency,
        str(amount),
        "C" if is_credit else "D",
    )
    return Entry(
        key=key,
        statement=heading.statement,
        account=heading.account,
        amount=amount,
        currency=currency,
        is_credit=is_credit,
        is_reversal=node.truth("RvslInd"),
        booked_on=booked_on,
        value_on=node.date("ValDt") or booked_on,
        bank_reference=bank_reference,
        text=node.text("AddtlNtryInf")[:MAX_TEXT],
        details=tuple(details),
    )


def read_detail(element: Element, namespace: str) -> Detail:
    """Return one transaction of an entry. Raises :class:`EntryError`."""
    node = _Node(element, namespace)
    # Version 2 has only AmtDtls; later ones say it directly. What was instructed (InstdAmt)
    # is not looked at: it is before charges and exchange.
    path = next((path for path in ("Amt", "AmtDtls/TxAmt/Amt") if node.has(path)), None)
    amount, currency = node.amount(path) if path else (None, "")
    references = node.texts("RmtInf/Strd/CdtrRefInf/Ref")
    valid = [found for found in map(parse_creditor_reference, references) if found]
    text = [
        *node.texts("RmtInf/Ustrd"),
        *(reference for reference in references if parse_creditor_reference(reference) is None),
        *valid[1:],
        *node.texts("RmtInf/Strd/AddtlRmtInf"),
    ] or node.texts("AddtlTxInf")
    return Detail(
        amount=amount,
        currency=currency,
        is_credit=node.direction("CdtDbtInd"),
        end_to_end_id=node.reference("Refs/EndToEndId"),
        creditor_reference=valid[0] if valid else "",
        text=" ".join(text)[:MAX_TEXT],
        debtor=node.party("Dbtr"),
        creditor=node.party("Cdtr"),
        is_returned=node.has("RtrInf"),
    )


def plain_text(element: Element) -> str:
    """Return an element's text with single spaces, cut to a length that no field needs."""
    return " ".join((element.text or "")[: 2 * MAX_TEXT].split())


class _Node:
    """An element, asked by paths without a namespace."""

    def __init__(self, element: Element, namespace: str) -> None:
        self._element = element
        self._namespace = namespace

    def _qualified(self, path: str) -> str:
        return "/".join(f"{self._namespace}{name}" for name in path.split("/"))

    def has(self, path: str) -> bool:
        return self._element.find(self._qualified(path)) is not None

    def texts(self, path: str) -> list[str]:
        """Return the texts of all elements at a path that have any, with single spaces."""
        found = self._element.iterfind(self._qualified(path))
        return [text for one in found if (text := plain_text(one))]

    def text(self, path: str) -> str:
        return next(iter(self.texts(path)), "")

    def reference(self, path: str) -> str:
        text = self.text(path)
        return "" if text.upper() in _NO_REFERENCE else text[:MAX_REFERENCE]

    def party(self, role: str) -> str:
        # Since version 8 a party may be a person, a company, or a bank.
        paths = (role, f"{role}/Pty", f"{role}/Agt/FinInstnId", f"Ultmt{role}", f"Ultmt{role}/Pty")
        names = (self.text(f"RltdPties/{path}/Nm") for path in paths)
        return next((name for name in names if name), "")[:MAX_NAME]

    def amount(self, path: str) -> tuple[int, str]:
        element = self._element.find(self._qualified(path))
        if element is None:
            raise EntryError(path, "missing")
        text, currency = (element.text or "").strip(), element.get("Ccy", "")
        if not _AMOUNT.match(text):
            raise EntryError(path, "not an amount")
        try:
            return to_minor(text, currency), currency
        except AmountError as error:
            raise EntryError(path, str(error)) from None

    def direction(self, path: str) -> bool | None:
        text = self.text(path)
        if text not in ("CRDT", "DBIT", ""):
            raise EntryError(path, "neither CRDT nor DBIT")
        return text == "CRDT" if text else None

    def date(self, path: str) -> date | None:
        text = self.text(f"{path}/Dt") or self.text(f"{path}/DtTm")
        if not text:
            return None
        match = _DATE.match(text)
        try:
            return date.fromisoformat(match[1]) if match else _no_date(path)
        except ValueError:
            return _no_date(path)

    def truth(self, path: str) -> bool:
        text = self.text(path)
        if text and text not in _TRUTH:
            raise EntryError(path, "neither true nor false")
        return _TRUTH.get(text, False)


def _no_date(path: str) -> date:
    raise EntryError(path, "not a date")
