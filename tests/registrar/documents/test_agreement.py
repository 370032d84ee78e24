"""Agreements as PDF documents."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.registrar.documents.agreement import Acceptance, agreement_pdf
from countersign.registrar.documents.text import Filled, Kind, current, fill, load_text
from countersign.registrar.documents.typeface import needs_of, printable
from countersign.registrar.documents.typeset import TypesettingError
from tests.registrar.documents.reading import open_pdf, text_of, title_of
from tests.registrar.documents.values import ISSUER, MADE_AT, OWNER, VALUES

CONTRACT = fill(Kind.REGISTRATION_CONTRACT, "2026-1", VALUES)
ACCEPTANCE = Acceptance("jane@obrien.example", "Jane Roe", OWNER.name, MADE_AT, "192.0.2.7")


def contract_pdf(filled: Filled = CONTRACT, acceptance: Acceptance | None = ACCEPTANCE) -> bytes:
    return agreement_pdf(
        filled,
        issuer=ISSUER,
        made_at=MADE_AT,
        about="mail.obrien.example",
        acceptance=acceptance,
    )


def markdown_pdf(markdown: str) -> bytes:
    return contract_pdf(replace(CONTRACT, markdown=markdown), None)


def plain(octets: bytes) -> str:
    return " ".join(text_of(octets).split())


def test_equal_input_gives_equal_octets_in_another_process_too() -> None:
    program = (
        "import hashlib, sys; from tests.registrar.documents.test_agreement import contract_pdf;"
        "print(hashlib.sha256(contract_pdf()).hexdigest())"
    )
    hashes = {hashlib.sha256(contract_pdf()).hexdigest()}
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        )
        hashes.add(done.stdout.decode().strip())
    assert len(hashes) == 1


def test_the_document_says_what_it_is() -> None:
    title = "Registration contract for a mail server: mail.obrien.example"
    assert title_of(contract_pdf()) == title
    with open_pdf(contract_pdf()) as pdf:
        assert pdf.Root.Lang == "en"
        with pdf.open_metadata() as metadata:
            assert metadata.pdfa_status == "2U"
            assert metadata["xmp:ModifyDate"] == "2026-03-01T12:30:05+00:00"
            assert metadata["dc:creator"] == ["The Mail Server Registrar"]
        assert [float(side) for side in pdf.pages[0].mediabox[2:]] == [595.28, 841.89]
        with pdf.open_outline() as outline:
            assert [item.title for item in outline.root][1] == "1. What this contract is about"


def test_the_whole_text_is_printed() -> None:
    printed = plain(contract_pdf())
    source = CONTRACT.markdown.replace("\\", "").replace("**", "")
    for line in source.splitlines():
        words = line.lstrip("#>|- ").rstrip("| ")
        for part in words.split(" | "):
            # Ordered lists are lettered on paper.
            assert " ".join(part.lstrip("1234567890. ").split()) in printed


def test_pages_are_numbered_and_bear_the_hash_of_the_text() -> None:
    pages = text_of(contract_pdf()).split("\f")
    for number, page in enumerate(pages, 1):
        words = " ".join(page.split())
        assert CONTRACT.text.sha256 in words
        assert "registration-contract 2026-1" in words
        assert f"Page {number} of" in words
    assert len(pages) > 3


def test_the_record_of_acceptance_says_who_when_whence_and_what() -> None:
    elsewhere = MADE_AT.astimezone(timezone(timedelta(hours=10)))
    printed = plain(contract_pdf(acceptance=replace(ACCEPTANCE, at=elsewhere)))
    for fact in (
        "Accepted by Jane Roe",
        "Account jane@obrien.example",
        "On behalf of O'Brien & Sons Pty Ltd",
        "At 2026-03-01 12:30:05 UTC",
        "From the address 192.0.2.7",
        f"SHA-256 of the text {CONTRACT.text.sha256}",
        f"SHA-256 as filled in {hashlib.sha256(CONTRACT.markdown.encode()).hexdigest()}",
    ):
        assert fact in printed


def test_an_address_that_is_not_given_is_not_mentioned() -> None:
    assert "From the address" not in plain(contract_pdf(acceptance=replace(ACCEPTANCE, address="")))


@pytest.mark.parametrize("kind", Kind)
def test_every_text_can_be_printed_with_lines_to_sign_on(kind: Kind) -> None:
    octets = agreement_pdf(
        fill(kind, current(kind), VALUES),
        issuer=ISSUER,
        made_at=MADE_AT,
        signatories=(f"The owner, {OWNER.name}", "The user"),
    )
    printed = plain(octets)
    assert load_text(kind, current(kind)).title in printed
    assert printed.count("Place and date") == printed.count("Signature") == 2


@pytest.mark.parametrize(
    ("name", "is_printed"),
    [
        ("Жанна Рожкова", True),
        ("Ελένη Παπαδοπούλου", True),
        ("Łukasz Żółć, Þórður Ævarsson, Nguyễn Thị Hằng", True),
        ("株式会社メール 李小龍 김철수", True),
        ("Հայկ Գևորգյան, გიორგი", True),
        ("देवनागरी", False),
        ("𐍈𐌰", False),
    ],
)
def test_names_in_other_scripts_are_printed_or_shown_to_be_missing(
    name: str, is_printed: bool
) -> None:
    printed = plain(
        contract_pdf(fill(Kind.REGISTRATION_CONTRACT, "2026-1", VALUES | {"owner_name": name}))
    )
    assert (name in printed) == is_printed
    assert ("\ufffd" in printed) != is_printed


def test_hebrew_and_arabic_are_shaped() -> None:
    assert needs_of("שמואל כהן").shaping and needs_of("محمد").shaping
    assert not needs_of("Ελένη Жанна 李").shaping
    for name in ("שמואל כהן", "محمد عبد الله (Muhammad) 12"):
        octets = contract_pdf(acceptance=replace(ACCEPTANCE, name=name))
        assert "\ufffd" not in text_of(octets)
        assert octets == contract_pdf(acceptance=replace(ACCEPTANCE, name=name))


def test_typefaces_that_are_not_needed_are_not_embedded() -> None:
    with open_pdf(contract_pdf()) as pdf:
        fonts = {str(font.BaseFont) for font in pdf.pages[0].resources.Font.values()}
    assert len(fonts) == 2
    assert len(contract_pdf()) < 100_000


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_name_can_be_printed(first: str, second: str) -> None:
    octets = agreement_pdf(
        replace(CONTRACT, markdown="# Title\n\n**1.1** Text\n"),
        issuer=replace(ISSUER, name=first or "x"),
        made_at=MADE_AT,
        about=second,
        acceptance=replace(ACCEPTANCE, name=first, account=second, on_behalf_of=first + second),
        signatories=(first, second, first),
    )
    with open_pdf(octets) as pdf, pdf.open_metadata() as metadata:
        assert metadata.pdfa_status == "2U"


@given(st.text())
def test_what_is_printable_needs_no_replacement(text: str) -> None:
    assert printable(printable(text)) == printable(text)
    assert len(printable(text)) == len(text)


def test_markdown_that_is_not_provided_for_is_an_error_and_not_left_out() -> None:
    for markdown in ("```\ncode\n```", "![image](x.png)", "*emphasis*", "[link](http://x.example)"):
        with pytest.raises(TypesettingError):
            markdown_pdf(markdown)


def test_lists_tables_and_rules_are_printed() -> None:
    printed = plain(
        markdown_pdf(
            "# T\n\n---\n\n- one\n- two\n  - inner\n\n"
            + "\n".join(f"{number}. item{number}" for number in range(1, 30))
            + "\n\n| A | B |\n| --- | --- |\n| cell | **bold** |\n\n> note\n\nlast"
        )
    )
    for words in (
        "• one",
        "• inner",
        "(a) item1",
        "(z) item26",
        "(ab) item28",
        "cell bold",
        "note",
    ):
        assert words in printed


def test_a_long_table_has_its_head_on_every_page() -> None:
    rows = "\n".join(f"| {number} | {'word ' * 20}|" for number in range(100))
    pages = text_of(markdown_pdf(f"# T\n\n| Number | Words |\n| --- | --- |\n{rows}\n")).split("\f")
    assert len(pages) > 3
    assert all("Number" in page for page in pages)


def test_a_row_that_no_page_can_hold_goes_on_over_pages() -> None:
    values = VALUES | {"owner_name": "李" * 2000, "sponsors": [f"{'m' * 180}.example"] * 100}
    octets = contract_pdf(fill(Kind.REGISTRATION_CONTRACT, "2026-1", values), None)
    text = text_of(octets)
    assert text.count("李") == 2000
    assert text.replace("\n", "").count(".example,") == 99


def test_a_word_longer_than_the_page_is_broken() -> None:
    words = "ж" * 5000
    assert text_of(markdown_pdf(f"# T\n\n**1.1** {words}\n")).count("ж") == 5000
