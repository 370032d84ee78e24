"""Reads the text of a PDF document back, by the tables that are in it for that."""

from __future__ import annotations

import io
import re

import pikepdf

_PAIR = re.compile(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>")
_RANGE = re.compile(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>")


def open_pdf(octets: bytes) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(octets))


def title_of(octets: bytes) -> str:
    with open_pdf(octets) as pdf, pdf.open_metadata() as metadata:
        return str(metadata["dc:title"])


def text_of(octets: bytes) -> str:
    """Return all text, in the order in which it is drawn, lines as lines, pages after FF."""
    with open_pdf(octets) as pdf:
        return "\f".join(_page_text(page) for page in pdf.pages)


def _page_text(page: pikepdf.Page) -> str:
    fonts = {name: _unicode_of(font) for name, font in page.resources.get("/Font", {}).items()}
    said: list[str] = []
    current: dict[int, str] = {}
    saved: list[dict[int, str]] = []
    for operands, operator in pikepdf.parse_content_stream(page):
        match str(operator):
            case "q":
                saved.append(current)
            case "Q":
                current = saved.pop()
            case "Tf":
                current = fonts[str(operands[0])]
            case "Tj":
                said.append(_decoded(bytes(operands[0]), current))
            case "TJ":
                said += [
                    _decoded(bytes(part), current)
                    for part in operands[0]
                    if isinstance(part, pikepdf.String)
                ]
            case "ET":
                said.append("\n")
    return "".join(said)


def _decoded(octets: bytes, table: dict[int, str]) -> str:
    codes = (int.from_bytes(octets[place : place + 2]) for place in range(0, len(octets), 2))
    return "".join(table[code] for code in codes)


def _unicode_of(font: pikepdf.Object) -> dict[int, str]:
    table: dict[int, str] = {}
    map_text = font["/ToUnicode"].read_bytes().decode()
    for block in re.findall(r"beginbfchar(.*?)endbfchar", map_text, re.DOTALL):
        for code, text in _PAIR.findall(block):
            table[int(code, 16)] = bytes.fromhex(text).decode("utf-16-be")
    for block in re.findall(r"beginbfrange(.*?)endbfrange", map_text, re.DOTALL):
        for first, last, text in _RANGE.findall(block):
            begin = int(first, 16)
            for code in range(begin, int(last, 16) + 1):
                table[code] = chr(int(text, 16) + code - begin)
    return table
