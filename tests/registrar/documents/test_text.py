"""The texts of contracts, and what is put into them."""

from __future__ import annotations

from datetime import date
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.registrar.documents.markdown import parse, to_html
from countersign.registrar.documents.text import (
    Kind,
    TextError,
    current,
    fill,
    load_text,
    placeholders,
    text_hash,
    versions,
)
from tests.registrar.documents.values import VALUES, values_with

CONTRACT = Kind.REGISTRATION_CONTRACT

PUBLISHED: dict[tuple[str, str], str] = {
    (
        "registration-contract",
        "2026-1",
    ): "0295d92736104724bb298d5592480ab9a08c80477829bd5be284b0365a40b690",
    (
        "user-agreement",
        "2026-1",
    ): "3de0a3193007454cbd4d2f704e436d6294e7d5a67a83c0b8ae3aaece35f7aa74",
    (
        "privileged-user-agreement",
        "2026-1",
    ): "a4a9af2088082a3e75b09cffb315659b942a65bd279ee684a6d3de2613d9a63d",
    (
        "sponsor-undertaking",
        "2026-1",
    ): "e8273d0ef8696ece5108eaab9ef86313e1e80be879f612b83a7b6dad7ffe6cea",
}
NASTY = [
    "# heading",
    "a\n\n# b",
    "| cell | cell |",
    "\\| \\",
    "<script>alert(1)</script>",
    "<!-- c -->",
    "[a](javascript:alert(1))",
    "![a](http://x.example/y.png)",
    "**bold** *em* `code` ~~~",
    "- item\n1. item\n> quote",
    "&lt;b&gt; &amp; &#60;",
    "{{ 7 * 7 }} {% if x %}",
    "http://x.example www.x.example a@b.example",
    "===\n---\n***",
    "    code",
    "a  \nb",
    "[x]: http://x.example",
    "\u202eevil\u202c \u200b\u00ad\x00\x1b[31m",
]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(f"{tag} {attrs}")


def tags_of(html: str) -> list[str]:
    parser = Tags()
    parser.feed(html)
    return parser.tags


def form_of(markdown: str) -> list[str]:
    """Return the shape of a text without its words; adjacent words are one."""
    form: list[str] = []
    for token in parse(markdown):
        form.append(token.type)
        for child in token.children or []:
            kind = "text" if child.type in ("text", "text_special") else child.type
            if kind != "text" or form[-1] != "text":
                form.append(kind)
    return form


@pytest.mark.parametrize("kind", Kind)
def test_every_text_has_a_version_a_title_and_the_model_notice(kind: Kind) -> None:
    text = load_text(kind, current(kind))
    assert text.title and "placeholder" not in text.title
    assert "**Model text, version" in text.source.splitlines()[2]
    assert current(kind) == versions(kind)[-1]
    assert text.sha256 == text_hash(kind, text.version)


@pytest.mark.parametrize("kind", Kind)
def test_published_texts_never_change(kind: Kind) -> None:
    found = {version: text_hash(kind, version) for version in versions(kind)}
    expected = {version: sha for (name, version), sha in PUBLISHED.items() if name == kind}
    assert found == expected, "a new wording is a new version: add a file, and its hash here"


@pytest.mark.parametrize("kind", Kind)
def test_clauses_and_sections_are_numbered_without_gaps(kind: Kind) -> None:
    section = clause = 0
    for line in load_text(kind, current(kind)).source.splitlines():
        if line.startswith("## ") and line[3].isdigit():
            section, clause = section + 1, 0
            assert line.startswith(f"## {section}. ")
        elif line.startswith("**") and line[2].isdigit():
            number = line[2:].partition("**")[0]
            if number != f"{section}.{clause}":
                clause += 1
            assert number == f"{section}.{clause}"


def test_the_contract_says_what_the_proposal_asks() -> None:
    text = fill(CONTRACT, "2026-1", VALUES).markdown
    for word in (
        "not an open relay",
        "after authentication",
        "at most 50 recipients",
        "more than 300 recipients within 24 hours",
        "tracking number",
        "known offender",
        "trap mailbox",
        "network addresses that it does not announce",
        "Anybody may report",
        "may reply",
        "may appeal",
        "forfeited",
        "good standing",
        "USD 2\\,500\\.00",
        "mx\\.one\\.example\\, mx\\.two\\.example",
        "1 March 2026",
    ):
        assert word in text


def test_a_contract_without_bond_or_sponsors_says_so() -> None:
    text = fill(CONTRACT, "2026-1", VALUES | {"bond": "", "sponsors": []}).markdown
    assert "no bond is due" in text and "| none |" in text
    assert "paid in advance: without" not in text


def test_a_privileged_user_promises_not_to_store_the_password() -> None:
    text = fill(Kind.PRIVILEGED_USER_AGREEMENT, "2026-1", VALUES).markdown
    assert "does not store the password in a mail client" in text


def test_missing_values_are_named() -> None:
    values = {name: value for name, value in VALUES.items() if name not in ("bond", "hostname")}
    with pytest.raises(TextError, match=r"missing: bond, hostname$"):
        fill(CONTRACT, "2026-1", values)


def test_defaults_may_be_overridden_and_unknown_values_are_passed_over() -> None:
    names = placeholders(CONTRACT, "2026-1")
    assert "recipients_per_message" in names.optional and "bond" in names.required
    text = fill(CONTRACT, "2026-1", VALUES | {"recipients_per_message": 25, "x": "y"}).markdown
    assert "at most 25 recipients" in text


@pytest.mark.parametrize(
    "value", ["x" * 2001, ["x"] * 101, True, 1.5, None, [1], {"a": "b"}, ["x" * 20_001]]
)
def test_unfit_values_are_refused_by_name(value: object) -> None:
    with pytest.raises(TextError, match="owner_name"):
        fill(CONTRACT, "2026-1", VALUES | {"owner_name": value})  # type: ignore[dict-item]


@pytest.mark.parametrize("version", ["1999-1", "../../x", "2026-1/../2026-1", "", "2026-1.md"])
def test_versions_that_are_none_are_refused(version: str) -> None:
    with pytest.raises(TextError):
        load_text(CONTRACT, version)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("text", NASTY)
def test_values_cannot_change_the_form_of_a_text(kind: Kind, text: str) -> None:
    plain = fill(kind, current(kind), values_with(kind, "plain")).markdown
    nasty = fill(kind, current(kind), values_with(kind, text)).markdown
    assert form_of(nasty) == form_of(plain)
    assert tags_of(to_html(nasty)) == tags_of(to_html(plain))


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=30), st.sampled_from(Kind))
def test_no_text_at_all_can_change_the_form(text: str, kind: Kind) -> None:
    plain = fill(kind, current(kind), values_with(kind, "plain")).markdown
    # A value of which nothing is left leaves an empty cell: the form of that is the same too.
    other = fill(kind, current(kind), values_with(kind, f"x{text}x")).markdown
    assert form_of(other) == form_of(plain)


def test_invisible_characters_and_overrides_of_direction_are_dropped() -> None:
    name = "Jane\u202eeoR\u202c\u200b\x00 \t Roe\n12 Main Street,\n\nTown"
    text = fill(CONTRACT, "2026-1", VALUES | {"owner_name": name}).markdown
    assert "JaneeoR Roe\\, 12 Main Street\\, Town" in text


def test_html_of_a_text_has_its_headings_where_the_page_wants_them() -> None:
    html = to_html(fill(CONTRACT, "2026-1", VALUES).markdown, first_heading=2)
    assert "<h1>" not in html and "<h2>Registration contract" in html
    assert '<ol type="a">' in html
    assert '<th scope="row">The owner</th>' in html and "<thead>" not in html
    assert "O'Brien &amp; Sons" in html


def test_html_in_markdown_stays_text_and_links_run_no_script() -> None:
    html = to_html("<b>x</b>\n\n[a](javascript:alert) <i>")
    assert "<b>" not in html and "<i>" not in html and "href" not in html


def test_dates_are_written_out() -> None:
    text = fill(CONTRACT, "2026-1", VALUES | {"contract_date": date(2027, 12, 31)}).markdown
    assert "31 December 2027" in text
