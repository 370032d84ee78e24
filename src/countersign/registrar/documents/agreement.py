"""An agreement on paper: the text, and who accepted it when, or lines to sign on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fpdf.enums import XPos, YPos

from countersign.registrar.documents.characters import tidy_line
from countersign.registrar.documents.sheet import ACCENT, MUTED, Party, Sheet
from countersign.registrar.documents.text import Filled
from countersign.registrar.documents.typeface import printable
from countersign.registrar.documents.typeset import LINE, typeset

_LABEL = 46.0
_LONGEST_SIGNATORY = 120
"""Characters that have room above the lines; the whole name stands at the head of the text."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepted a text in the portal, and when."""

    account: str
    """Name of the signed-in account."""
    name: str
    """The person whose account it is."""
    on_behalf_of: str
    at: datetime
    """Timezone-aware."""
    address: str = ""
    """IP address from which it was accepted; empty: not shown."""


def agreement_pdf(
    filled: Filled,
    *,
    issuer: Party,
    made_at: datetime,
    about: str = "",
    acceptance: Acceptance | None = None,
    signatories: Sequence[str] = (),
) -> bytes:
    """Return an agreement as a PDF document.

    about: what it is about, for the title: a host name. acceptance: prints the record of an
    acceptance in the portal. signatories: prints lines to sign on by hand, for each of these
    parties. With neither it is a text to read.
    """
    text = filled.text
    footer = f"{text.kind} {text.version}\nSHA-256 of this version: {text.sha256}"
    said = [filled.markdown, about, *signatories]
    if acceptance is not None:
        said += [acceptance.account, acceptance.name, acceptance.on_behalf_of, acceptance.address]
    sheet = Sheet(
        title=f"{text.title}: {about}" if about else text.title,
        issuer=issuer,
        made_at=made_at,
        footer=footer,
        contents=tidy_line("\n".join(said)),
    )
    typeset(sheet, filled.markdown)
    if acceptance is not None:
        _print_record(sheet, filled, acceptance)
    if signatories:
        _print_signatures(sheet, signatories)
    return sheet.octets()


def _print_record(sheet: Sheet, filled: Filled, acceptance: Acceptance) -> None:
    facts = [
        ("Accepted by", acceptance.name),
        ("Account", acceptance.account),
        ("On behalf of", acceptance.on_behalf_of),
        ("At", f"{acceptance.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"),
        ("From the address", acceptance.address),
        ("Text", f"{filled.text.kind} {filled.text.version}"),
        ("SHA-256 of the text", filled.text.sha256),
        ("SHA-256 as filled in", filled.sha256),
    ]
    sheet.room(62)
    sheet.set_y(sheet.get_y() + 6)
    sheet.font(11, bold=True, color=ACCENT)
    sheet.line_of("Record of acceptance", 6)
    sheet.rule(0.5, ACCENT)
    sheet.set_y(sheet.get_y() + 2)
    for label, value in facts:
        if value:
            print_fact(sheet, label, value)
    sheet.set_y(sheet.get_y() + 2)
    sheet.font(7.5, color=MUTED)
    sheet.line_of(
        "The registrar made this record when the account named above, after signing in, accepted "
        "the text. It stands in the place of a signature. The second check sum is that of the "
        "text above as it was shown, in Markdown, encoded as UTF-8.",
        3.6,
    )


def print_fact(sheet: Sheet, label: str, value: str) -> None:
    """Print a label and what there is to say under it, in two columns."""
    sheet.font(8.5, color=MUTED)
    sheet.cell(_LABEL, LINE, label, new_x=XPos.RIGHT, new_y=YPos.TOP)
    # 64 hexadecimal digits fit into one line at this size.
    sheet.font(7.5 if len(value) == 64 else 8.5)
    with sheet.indented(_LABEL):
        sheet.set_x(sheet.l_margin)
        sheet.line_of(tidy_line(value), LINE)


def _print_signatures(sheet: Sheet, signatories: Sequence[str]) -> None:
    gap = 10.0
    width = (sheet.epw - gap) / 2
    for begin in range(0, len(signatories), 2):
        sheet.room(50)
        top = sheet.get_y() + 6
        for column, signatory in enumerate(signatories[begin : begin + 2]):
            left = sheet.l_margin + column * (width + gap)
            name = printable(tidy_line(signatory))[:_LONGEST_SIGNATORY]
            _print_signature(sheet, name, left, top, width)
        sheet.set_xy(sheet.l_margin, top + 44)


def _print_signature(sheet: Sheet, signatory: str, left: float, top: float, width: float) -> None:
    sheet.set_xy(left, top)
    sheet.font(9, bold=True)
    sheet.multi_cell(width, LINE, signatory, align="L", max_line_height=LINE)
    for number, label in enumerate(("Place and date", "Signature", "Name in block letters")):
        line = top + 19 + number * 12
        sheet.set_draw_color(*MUTED)
        sheet.set_line_width(0.2)
        sheet.line(left, line, left + width, line)
        sheet.set_xy(left, line + 0.5)
        sheet.font(7, color=MUTED)
        sheet.cell(width, 3.5, label)
