"""Generated statements come out as they went in; arbitrary octets do no harm."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import escape

from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.registrar.money.amount import minor_digits, to_decimal
from countersign.registrar.money.camt import CamtError, read_camt
from countersign.registrar.money.reference import make_reference

currencies = st.sampled_from(["USD", "EUR", "CHF", "AUD", "JPY", "KWD"])
amounts = st.integers(0, 10**12)
days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
words = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12
)
texts = st.lists(words, min_size=1, max_size=4).map(" ".join)


@dataclass(frozen=True)
class Part:
    amount: int
    number: int | None
    text: str
    party: str


@dataclass(frozen=True)
class Written:
    parts: tuple[Part, ...]
    currency: str
    is_credit: bool
    is_reversal: bool
    booked: date
    valued: date
    reference: str

    @property
    def amount(self) -> int:
        return sum(part.amount for part in self.parts)


parts = st.builds(Part, amounts, st.none() | st.integers(1, 10**10 - 1), texts, texts)
entries = st.builds(
    Written,
    st.lists(parts, min_size=1, max_size=3).map(tuple),
    currencies,
    st.booleans(),
    st.booleans(),
    days,
    days,
    st.text("ABC0123456789/-", min_size=1, max_size=35),
)


def amount_xml(minor: int, currency: str) -> str:
    return f'<Amt Ccy="{currency}">{to_decimal(minor, currency):f}</Amt>'


def entry_xml(entry: Written, version: int) -> str:
    direction = "CRDT" if entry.is_credit else "DBIT"
    role = "Dbtr" if entry.is_credit else "Cdtr"
    details = ""
    for part in entry.parts:
        amount = amount_xml(part.amount, entry.currency)
        party = f"<Nm>{escape(part.party)}</Nm>"
        structured = (
            f"<Strd><CdtrRefInf><Ref>{make_reference(part.number)}</Ref></CdtrRefInf></Strd>"
            if part.number
            else ""
        )
        details += (
            "<TxDtls>"
            + (f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>" if version < 4 else amount)
            + f"<RltdPties><{role}>"
            + (f"<Pty>{party}</Pty>" if version >= 8 else party)
            + f"</{role}></RltdPties>"
            + f"<RmtInf><Ustrd>{escape(part.text)}</Ustrd>{structured}</RmtInf></TxDtls>"
        )
    status = "<Sts><Cd>BOOK</Cd></Sts>" if version >= 8 else "<Sts>BOOK</Sts>"
    return (
        f"<Ntry>{amount_xml(entry.amount, entry.currency)}<CdtDbtInd>{direction}</CdtDbtInd>"
        f"<RvslInd>{str(entry.is_reversal).lower()}</RvslInd>{status}"
        f"<BookgDt><Dt>{entry.booked}</Dt></BookgDt>"
        f"<ValDt><DtTm>{entry.valued}T10:00:00.000+02:00</DtTm></ValDt>"
        f"<AcctSvcrRef>{entry.reference}</AcctSvcrRef><NtryDtls>{details}</NtryDtls></Ntry>"
    )


@given(st.lists(entries, max_size=5), st.integers(2, 12))
def test_statements_of_every_version_come_out_as_they_went_in(
    written: list[Written], version: int
) -> None:
    namespace = f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version:02d}"
    document = (
        f'<Document xmlns="{namespace}"><BkToCstmrStmt><Stmt><Id>S</Id>'
        f"{''.join(entry_xml(entry, version) for entry in written)}"
        "</Stmt></BkToCstmrStmt></Document>"
    )
    read = list(read_camt(io.BytesIO(document.encode())))
    assert len({entry.key for entry in read}) == len(written)
    for entry, source in zip(read, written, strict=True):
        assert (entry.amount, entry.currency) == (source.amount, source.currency)
        assert (entry.is_credit, entry.is_reversal) == (source.is_credit, source.is_reversal)
        assert (entry.booked_on, entry.value_on) == (source.booked, source.valued)
        transactions = entry.transactions()
        assert [one.amount for one in transactions] == [part.amount for part in source.parts]
        for one, part in zip(transactions, source.parts, strict=True):
            assert (one.text, one.counterparty) == (part.text, part.party)
            if part.number:
                assert one.invoice_numbers()[0] == part.number


fragments = st.lists(
    st.sampled_from(
        [
            "<Ntry>",
            "</Ntry>",
            "<NtryDtls>",
            "</NtryDtls>",
            "<TxDtls>",
            "</TxDtls>",
            '<Amt Ccy="EUR">1</Amt>',
            "<Amt>",
            "</Amt>",
            "<Stmt>",
            "</Stmt>",
            "<Id>1</Id>",
            "<Sts>BOOK</Sts>",
            "<CdtDbtInd>CRDT</CdtDbtInd>",
            "<BookgDt><Dt>2026-01-01</Dt></BookgDt>",
            "<BkToCstmrStmt>",
            "</BkToCstmrStmt>",
            "</Document>",
            "<!-- c -->",
            "<?pi?>",
            "<![CDATA[x]]>",
            "&amp;",
            "&#0;",
            "&x;",
        ]
    ),
    max_size=30,
).map("".join)


@settings(max_examples=300)
@given(st.binary(max_size=300) | fragments.map(str.encode))
def test_arbitrary_octets_give_entries_or_a_camt_error(octets: bytes) -> None:
    start = b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">'
    for whole in (octets, start + octets, start + octets + b"</Document>"):
        with contextlib.suppress(CamtError):
            list(read_camt(io.BytesIO(whole)))


@given(st.sampled_from(["utf-7", "utf-16", "utf-32", "cp037", "big5", "x-none", "hex", "rot13"]))
def test_unusual_encodings_give_a_camt_error(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a>é</a>'
    with contextlib.suppress(CamtError):
        list(read_camt(io.BytesIO(text.encode("latin-1"))))


@given(amounts, currencies)
def test_amounts_go_to_decimals_and_back(minor: int, currency: str) -> None:
    assert -to_decimal(minor, currency).as_tuple().exponent == minor_digits(currency)
