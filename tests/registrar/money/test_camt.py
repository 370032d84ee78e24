"""Statements in the style of real banks."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest

from countersign.registrar.money import camt
from countersign.registrar.money.camt import CamtError, read_camt
from countersign.registrar.money.statement_entry import Entry, Transaction

SAMPLES = Path(__file__).parent / "samples"
HEAD = "<BkToCstmrStmt><Stmt><Id>S-1</Id>"
FOOT = "</Stmt></BkToCstmrStmt>"


def entries_of(sample: str) -> list[Entry]:
    with (SAMPLES / sample).open("rb") as file:
        return list(read_camt(file))


def transactions_of(sample: str) -> list[Transaction]:
    return [one for entry in entries_of(sample) for one in entry.transactions()]


def document(inside: str, version: str = "camt.053.001.08") -> io.BytesIO:
    namespace = f"urn:iso:std:iso:20022:tech:xsd:{version}"
    return io.BytesIO(f'<Document xmlns="{namespace}">{inside}</Document>'.encode())


def statement(entries: str) -> io.BytesIO:
    return document(HEAD + entries + FOOT)


def entry_xml(**replaced: str) -> str:
    elements = {
        "Amt": '<Amt Ccy="EUR">12.50</Amt>',
        "CdtDbtInd": "<CdtDbtInd>CRDT</CdtDbtInd>",
        "Sts": "<Sts><Cd>BOOK</Cd></Sts>",
        "BookgDt": "<BookgDt><Dt>2026-03-01</Dt></BookgDt>",
    }
    return f"<Ntry>{''.join((elements | replaced).values())}</Ntry>"


def test_a_swiss_batch_is_split_into_its_payments() -> None:
    bond, fee, *_ = transactions_of("swiss-v08.xml")
    assert (bond.amount, bond.currency, bond.creditor_reference) == (
        250_000,
        "CHF",
        "RF43CS0000000042",
    )
    assert bond.counterparty == "Zürcher Hosting AG"
    assert bond.invoice_numbers() == [42]
    assert bond.end_to_end_id == ""
    assert (fee.amount, fee.creditor_reference) == (12_000, "")
    assert "210000000003139471430009017" in fee.text
    assert bond.key.partition("/")[0] == fee.key.partition("/")[0] and bond.key != fee.key


def test_what_reached_the_account_counts_not_what_was_instructed() -> None:
    foreign = transactions_of("swiss-v08.xml")[2]
    assert (foreign.amount, foreign.currency) == (273_540, "CHF")
    assert (foreign.booked_on, foreign.value_on) == (date(2026, 3, 17), date(2026, 3, 18))
    assert foreign.invoice_numbers() == [17]
    assert foreign.counterparty == "Société Postale"


def test_pending_entries_are_left_out_and_charges_are_debits() -> None:
    *_, charge = entries_of("swiss-v08.xml")
    assert not charge.is_credit
    assert charge.amount == 780
    assert charge.account == "CH9300762011623852957"


def test_a_german_reference_is_found_across_the_chopped_lines_of_the_text() -> None:
    first, second, *_ = transactions_of("german-v02.xml")
    assert first.invoice_numbers() == [17]
    assert first.counterparty == "Bäckerei Müller GmbH"
    assert second.creditor_reference == "RF43CS0000000042"
    assert second.key != first.key


def test_reversals_and_returned_payments_are_marked() -> None:
    *_, reversal, returned = transactions_of("german-v02.xml")
    assert (reversal.is_reversal, reversal.is_credit, reversal.amount) == (True, False, 250_000)
    assert returned.is_returned and returned.is_credit and not returned.is_reversal
    assert returned.value_on == returned.booked_on


def test_an_australian_statement_in_an_envelope_is_read() -> None:
    both, *_ = transactions_of("australian-v06.xml")
    assert (both.amount, both.currency) == (262_000, "AUD")
    assert both.invoice_numbers() == [42, 17]
    assert both.booked_on == date(2026, 6, 30)
    assert entries_of("australian-v06.xml")[0].account == "06200012345678"


def test_a_batch_without_amounts_stays_one_transaction_for_a_person() -> None:
    _, batch, single = transactions_of("australian-v06.xml")
    assert batch.is_unsplit and batch.amount == 24_000
    assert batch.invoice_numbers() == [42, 17]
    assert batch.creditor_reference == ""
    assert not single.is_unsplit and single.invoice_numbers() == [17]


def test_every_transaction_has_a_key_of_its_own_that_stays_at_the_next_import() -> None:
    names = sorted(path.name for path in SAMPLES.glob("*.xml"))
    keys = [one.key for name in names for one in transactions_of(name)]
    assert len(set(keys)) == len(keys) == 11
    assert keys == [one.key for name in names for one in transactions_of(name)]
    assert all(len(key) <= 80 for key in keys)


def test_the_same_entry_in_a_daily_and_a_monthly_statement_has_one_key() -> None:
    entry = entry_xml(AcctSvcrRef="<AcctSvcrRef>2026-77</AcctSvcrRef>")
    other = entry_xml(AcctSvcrRef="<AcctSvcrRef>2026-78</AcctSvcrRef>")
    month = HEAD.replace("S-1", "MONTH") + other + entry + FOOT
    [daily] = read_camt(statement(entry))
    assert daily.key == list(read_camt(document(month)))[1].key


def test_entries_alike_without_a_bank_reference_are_two_entries_of_that_statement() -> None:
    first, second = read_camt(statement(entry_xml() * 2))
    [elsewhere] = read_camt(document(HEAD.replace("S-1", "S-2") + entry_xml() + FOOT))
    assert len({first.key, second.key, elsewhere.key}) == 3


@pytest.mark.parametrize(
    ("text", "amount"),
    [("12.5", 1250), ("+12.50", 1250), ("12", 1200), ("00012.500", 1250), (".5", 50), ("5.", 500)],
)
def test_amounts_are_read_exactly(text: str, amount: int) -> None:
    [entry] = read_camt(statement(entry_xml(Amt=f'<Amt Ccy="EUR">{text}</Amt>')))
    assert entry.amount == amount


@pytest.mark.parametrize(
    ("currency", "text", "amount"),
    [("JPY", "300000", 300_000), ("KWD", "1.005", 1005), ("RSD", "100.50", 10_050)],
)
def test_each_currency_has_its_own_minor_unit(currency: str, text: str, amount: int) -> None:
    [entry] = read_camt(statement(entry_xml(Amt=f'<Amt Ccy="{currency}">{text}</Amt>')))
    assert entry.amount == amount


@pytest.mark.parametrize(
    "amount",
    [
        '<Amt Ccy="EUR">12.505</Amt>',
        '<Amt Ccy="JPY">1.5</Amt>',
        '<Amt Ccy="EUR">-12.50</Amt>',
        '<Amt Ccy="EUR">12,50</Amt>',
        '<Amt Ccy="EUR">1_000</Amt>',
        '<Amt Ccy="EUR">1e3</Amt>',
        '<Amt Ccy="EUR">NaN</Amt>',
        '<Amt Ccy="EUR">٣</Amt>',
        '<Amt Ccy="EUR">999999999999999999</Amt>',
        '<Amt Ccy="EUR"/>',
        '<Amt Ccy="EURO">1</Amt>',
        "<Amt>1</Amt>",
        "",
    ],
)
def test_what_is_no_amount_is_refused_with_its_place(amount: str) -> None:
    with pytest.raises(CamtError, match=r"^statement 1 \('S-1'\), entry 2, Amt: "):
        list(read_camt(statement(entry_xml() + entry_xml(Amt=amount))))


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("CdtDbtInd", ""),
        ("CdtDbtInd", "<CdtDbtInd>C</CdtDbtInd>"),
        ("Sts", ""),
        ("BookgDt", ""),
        ("BookgDt", "<BookgDt><Dt>2026-02-30</Dt></BookgDt>"),
        ("BookgDt", "<BookgDt><Dt>1.3.2026</Dt></BookgDt>"),
        ("RvslInd", "<RvslInd>perhaps</RvslInd>"),
    ],
)
def test_missing_and_malformed_elements_are_named(name: str, element: str) -> None:
    with pytest.raises(CamtError, match=f"entry 1, {name}: "):
        list(read_camt(statement(entry_xml(**{name: element}))))


def test_other_messages_are_refused_by_name() -> None:
    with pytest.raises(CamtError, match=r"this is camt\.054\.001\.08"):
        list(read_camt(document("", "camt.054.001.08")))
    with pytest.raises(CamtError, match=r"no camt\.053 statement"):
        list(read_camt(io.BytesIO(b"<html/>")))
    with pytest.raises(CamtError, match="ZIP"):
        list(read_camt(io.BytesIO(b"PK\x03\x04...")))


def test_a_cut_off_file_is_an_error_with_a_line() -> None:
    whole = statement(entry_xml()).getvalue()
    with pytest.raises(CamtError, match="line 1, column"):
        list(read_camt(io.BytesIO(whole[:-20])))


def test_entities_and_document_types_are_refused() -> None:
    bomb = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">
        <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><Document>&b;</Document>"""
    outside = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    for text in (bomb, outside, b"<!DOCTYPE a><a/>"):
        with pytest.raises(CamtError, match="declares a document type"):
            list(read_camt(io.BytesIO(text)))


@pytest.mark.parametrize(
    ("limit", "value"),
    [("MAX_OCTETS", 500), ("MAX_ENTRIES", 3), ("MAX_ELEMENTS", 20), ("MAX_KEPT", 6)],
)
def test_files_beyond_a_bound_are_refused(
    limit: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camt, limit, value)
    with pytest.raises(CamtError):
        list(read_camt(statement(entry_xml() * 6)))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(CamtError, match="nested too deeply"):
        list(read_camt(statement("<a>" * 500 + "</a>" * 500)))


def test_errors_do_not_quote_names_or_texts() -> None:
    detail = (
        "<NtryDtls><TxDtls><CdtDbtInd>Jane Roe</CdtDbtInd><RltdPties><Dbtr><Nm>Jane Roe</Nm>"
        "</Dbtr></RltdPties></TxDtls></NtryDtls>"
    )
    with pytest.raises(CamtError) as caught:
        list(read_camt(statement(entry_xml(Details=detail))))
    assert "Jane" not in str(caught.value)
