"""What the people of the town write into forms, and what they upload."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from playwright.sync_api import FilePayload

from countersign.demo import papers

HARBOUR = "mail.harbour.example"
"""Zoë's own, under a young domain."""
OUTBACK = "mx.outback.example"
"""A company's, for which an agent applies."""
INLAND = "mail.inland.example"
"""Of somebody whose browser runs no scripts."""

ZOE = "zoe@harbour.example"
JAN = "jan@harbour.example"
BEN = "ben@outback.example"
KIM = "kim@outback.example"
LENA = "lena@agents.example"
MAX = "max@inland.example"

OWNER = {
    "name": "Zoë Müller",
    "birth_date": "1979-05-14",
    "address-country": "AU",
    "address-line1": "12 Collins Street",
    "address-locality": "Melbourne",
    "address-region": "VIC",
    "address-postal_code": "3000",
    "phone": "+61 3 9876 5432",
    "email": ZOE,
    "identity-kind": "drivers-licence",
    "identity-country": "AU",
    "identity-region": "Victoria",
    "identity-number": "047 356 218",
}
ADMIN = {
    "name": "Jan Novák",
    "phone": "+420 601 123 456",
    "email": JAN,
    "proof": "passport",
}
LOCATION = {
    "address-country": "AU",
    "address-line1": "120 Spencer Street",
    "address-locality": "Melbourne",
    "address-region": "VIC",
    "address-postal_code": "3000",
}
DIRECTORY = {
    "listed": "on",
    "name": "Harbour Mail",
    "takes_customers": "on",
    "email": "hello@harbour.example",
    "website": "https://www.harbour.example",
}

COMPANY = {
    "name": "Outback Post Pty Ltd",
    "registration-country": "AU",
    "registration-abn": "51 824 753 556",
    "address-country": "AU",
    "address-line1": "4 Hunter Street",
    "address-locality": "Sydney",
    "address-region": "NSW",
    "address-postal_code": "2000",
    "phone": "+61 2 9876 5432",
    "email": BEN,
}
DIRECTOR = {
    "name": "Victor Quill",
    "birth_date": "1984-11-02",
    "address-country": "AU",
    "address-line1": "18 Darling Street",
    "address-locality": "Sydney",
    "address-region": "NSW",
    "address-postal_code": "2041",
    "phone": "+61 2 9876 5433",
    "identity-kind": "drivers-licence",
    "identity-country": "AU",
    "identity-region": "New South Wales",
    "identity-number": "18 472 905",
}
OTHER_ADMIN = {
    "name": "Kim Walker",
    "phone": "+61 2 9876 5400",
    "email": KIM,
    "proof": "passport",
}
OTHER_LOCATION = {
    "address-country": "AU",
    "address-line1": "47 Bourke Road",
    "address-locality": "Sydney",
    "address-region": "NSW",
    "address-postal_code": "2015",
}
OFFENDER = {
    "name": "Viktor Quill",
    "birth_date": "1984-11-02",
    "address": "18 Darling Street, Balmain NSW 2041",
    "level": "warned",
    "offence_on": "2024-08-19",
    "case_reference": "2024-0817",
}
"""Almost the director of the company."""


def scan(title: str) -> FilePayload:
    """Return a picture of a paper, as a browser uploads it."""
    return FilePayload(name="scan.png", mimeType="image/png", buffer=papers.scan(title))


@dataclass(frozen=True)
class Credit:
    """Money that came in at the bank."""

    amount: int
    """In cents."""
    payer: str
    text: str


def statement(booked: Sequence[Credit]) -> FilePayload:
    """Return a bank's statement of today (CAMT.053, ISO 20022) as it is uploaded."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    entries = "".join(_entry(number, one, today) for number, one in enumerate(booked, 1))
    text = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">
  <BkToCstmrStmt>
    <GrpHdr><MsgId>8fd0b21c55d0</MsgId><CreDtTm>{today}T19:02:11+00:00</CreDtTm></GrpHdr>
    <Stmt>
      <Id>8fd0b21c55d0</Id>
      <CreDtTm>{today}T19:02:11+00:00</CreDtTm>
      <Acct><Id><IBAN>CH9300762011623852957</IBAN></Id><Ccy>USD</Ccy></Acct>
      {entries}
    </Stmt>
  </BkToCstmrStmt>
</Document>
"""
    return FilePayload(name="statement.xml", mimeType="application/xml", buffer=text.encode())


def _entry(number: int, one: Credit, day: str) -> str:
    amount = f'<Amt Ccy="USD">{one.amount // 100}.{one.amount % 100:02}</Amt>'
    reference = f"<AcctSvcrRef>0104202603170{number:04}</AcctSvcrRef>"
    return f"""
      <Ntry>
        {amount}<CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
        <BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>
        {reference}
        <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>XBCT</SubFmlyCd></Fmly></Domn></BkTxCd>
        <NtryDtls><TxDtls>
          <Refs>{reference}<EndToEndId>NOTPROVIDED</EndToEndId></Refs>
          {amount}<CdtDbtInd>CRDT</CdtDbtInd>
          <RltdPties><Dbtr><Pty><Nm>{one.payer}</Nm></Pty></Dbtr></RltdPties>
          <RmtInf><Ustrd>{one.text}</Ustrd></RmtInf>
        </TxDtls></NtryDtls>
      </Ntry>"""
