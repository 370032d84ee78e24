"""Markdown as the texts use it: CommonMark with tables, HTML not admitted."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_LOWEST_HEADING = 6
_parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")


def parse(markdown: str) -> list[Token]:
    """Return the tokens of a text.

    Differs from plain CommonMark in what a contract needs: lists are numbered (a), (b), (c),
    and a table whose head is empty has none.
    """
    tokens = _without_empty_heads(_parser.parse(markdown))
    for token in tokens:
        if token.type == "ordered_list_open":
            token.attrSet("type", "a")
        elif token.type == "th_open":
            token.attrSet("scope", "col")
    return tokens


def to_html(markdown: str, first_heading: int = 1) -> Markup:
    """Return a text as HTML, safe to put in a page.

    first_heading: level of the text's title; the levels below it follow.
    """
    tokens = parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            level = int(token.tag[1:]) + first_heading - 1
            token.tag = f"h{min(level, _LOWEST_HEADING)}"
    # Safe: the parser escapes all text and lets no HTML through (html=False).
    return Markup(_parser.renderer.render(tokens, _parser.options, {}))  # noqa: S704


def _without_empty_heads(tokens: Sequence[Token]) -> list[Token]:
    """Drop empty heads; in such a table the first cell of each row is its heading."""
    kept: list[Token] = []
    begin = 0
    is_headless = in_first_cell = False
    for token in tokens:
        if token.type == "thead_open":
            begin = len(kept)
        kept.append(token)
        if token.type == "thead_close":
            is_headless = not any(one.content for one in kept[begin:] if one.type == "inline")
            if is_headless:
                del kept[begin:]
        elif token.type == "table_close":
            is_headless = False
        elif token.type == "tr_open":
            in_first_cell = is_headless
        elif in_first_cell and token.type in ("td_open", "td_close"):
            token.tag = "th"
            if token.type == "td_open":
                token.attrSet("scope", "row")
            else:
                in_first_cell = False
    return kept
