"""A page of the registrar's paper: letterhead, footer, page numbers, and metadata.

PDF/A-2u (ISO 19005-2), the form for keeping documents. The octets depend on nothing but what
is in the document: the same input gives the same file, whose hash can be checked again, as
long as the same versions of the libraries make it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.prefs import ViewerPreferences

from countersign.registrar.documents.characters import tidy_line, tidy_lines
from countersign.registrar.documents.typeface import FAMILY, load, needs_of, printable

LEFT, RIGHT, TOP, BOTTOM = 25.0, 20.0, 18.0, 24.0
"""Margins in millimetres; the left one leaves room for punched holes."""
INK, MUTED, ACCENT, RULE = (20, 24, 31), (92, 99, 112), (24, 58, 99), (176, 184, 196)
PRODUCER = "Countersign registrar"
_MAX_NAME = 200
_MAX_ADDRESS_LINES, _MAX_LINE = 8, 100


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who is named in a document, with a postal address."""

    name: str
    address: str = ""
    """Lines of the address."""

    def lines(self) -> list[str]:
        """Return the name and the address, line by line."""
        address = tidy_lines(self.address)[:_MAX_ADDRESS_LINES]
        return [tidy_line(self.name)[:_MAX_NAME], *(line[:_MAX_LINE] for line in address)]


class Sheet(FPDF):
    """A4 paper with the issuer's letterhead on the first page."""

    def __init__(
        self, *, title: str, issuer: Party, made_at: datetime, footer: str, contents: str
    ) -> None:
        """Begin a document.

        made_at: timezone-aware; contents: all text that will be printed, to find the
        typefaces that it takes.
        """
        super().__init__(format="A4", enforce_compliance="PDF/A-2U")
        self._heading = printable(tidy_line(title))
        self._issuer = [printable(line) for line in issuer.lines()]
        self._footer = printable(footer)
        everything = "\n".join((self._heading, *self._issuer, self._footer, printable(contents)))
        load(self, needs_of(everything))
        self.set_margins(LEFT, TOP, RIGHT)
        self.set_auto_page_break(True, BOTTOM)
        self.c_margin = 0
        self._describe(made_at.astimezone(UTC).replace(microsecond=0))
        self.add_page()

    def _describe(self, made_at: datetime) -> None:
        self.set_title(self._heading)
        self.set_author(self._issuer[0])
        self.set_producer(PRODUCER)
        self.set_lang("en")
        self.set_creation_date(made_at)
        self.viewer_preferences = ViewerPreferences(display_doc_title=True)
        # Written here because fpdf2's own would hold the time at which it was written.
        self.set_xmp_metadata(_xmp(self._heading, self._issuer[0], made_at))

    def header(self) -> None:
        """Print the letterhead, or what stands on top of the following pages."""
        with self._unindented():
            if self.page_no() == 1:
                self._letterhead()
                return
            self.font(7.5, color=MUTED)
            self.cell(self.epw, 4, self._fitting(f"{self._issuer[0]} · {self._heading}"))
            self.set_y(TOP + 5)
            self.rule()
            self.set_y(TOP + 9)

    def _letterhead(self) -> None:
        self.font(12, bold=True, color=ACCENT)
        self.multi_cell(
            self.epw, 5.5, self._issuer[0], align="L", new_y=YPos.NEXT, new_x=XPos.LMARGIN
        )
        self.font(8, color=MUTED)
        if len(self._issuer) > 1:
            self.line_of(" · ".join(self._issuer[1:]), 4)
        self.set_y(self.get_y() + 1.5)
        self.rule(0.5, ACCENT)
        self.set_y(self.get_y() + 8)

    def footer(self) -> None:
        """Print the footer and the number of the page."""
        with self._unindented():
            self.set_y(-BOTTOM + 7)
            self.rule()
            self.set_y(-BOTTOM + 8.5)
            self.font(6.5, color=MUTED)
            top = self.get_y()
            self.multi_cell(self.epw - 30, 3.2, self._footer, align="L")
            self.set_xy(self.w - RIGHT - 30, top)
            self.cell(30, 3.2, f"Page {self.page_no()} of {{nb}}", align="R")

    def font(self, size: float, *, bold: bool = False, color: tuple[int, int, int] = INK) -> None:
        """Set size in points, weight and colour of what follows."""
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(*color)

    def rule(self, width: float = 0.2, color: tuple[int, int, int] = RULE) -> None:
        """Draw a line across the page."""
        self.set_draw_color(*color)
        self.set_line_width(width)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())

    def line_of(self, text: str, height: float, align: str = "L") -> None:
        """Print a paragraph of one style."""
        self.multi_cell(
            self.w - self.r_margin - self.get_x(),
            height,
            printable(text),
            align=align,
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )

    def room(self, height: float) -> None:
        """Begin a new page unless so many millimetres are left on this one."""
        if self.will_page_break(height):
            self.add_page()

    @contextmanager
    def indented(self, left: float) -> Iterator[None]:
        """Move the left margin to the right for a while."""
        before = self.l_margin
        self.set_left_margin(before + left)
        try:
            yield
        finally:
            self.set_left_margin(before)
            self.set_x(before)

    @contextmanager
    def _unindented(self) -> Iterator[None]:
        """Use the whole width: a page may end in the middle of an indented paragraph."""
        before = self.l_margin
        self.set_left_margin(LEFT)
        self.set_x(LEFT)
        try:
            yield
        finally:
            self.set_left_margin(before)
            self.set_x(before)

    def octets(self) -> bytes:
        """Return the finished document."""
        return bytes(self.output())

    def _fitting(self, text: str) -> str:
        while self.get_string_width(text) > self.epw and len(text) > 1:
            text = text[:-2].rstrip() + "…"
        return text


def _xmp(title: str, author: str, made_at: datetime) -> str:
    moment = made_at.isoformat()
    return f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
 xmp:CreateDate="{moment}" xmp:ModifyDate="{moment}" xmp:MetadataDate="{moment}"
 pdf:Producer="{PRODUCER}">
<pdfaid:part>2</pdfaid:part><pdfaid:conformance>U</pdfaid:conformance>
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(title)}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{escape(author)}</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>en</rdf:li></rdf:Bag></dc:language>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>"""
