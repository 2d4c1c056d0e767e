"""A valuation on paper. The same sheet gives the same bytes: no date of printing, no random ids."""

from __future__ import annotations

import io
from dataclasses import dataclass
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

HEADINGS = ("Symbol", "Quantity", "Price", "Currency", "Rate", "Value")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the page says; numbers are already text."""

    title: str
    base_currency: str
    asof: str
    pack_id: str
    pack_hash: str
    stale: bool
    rows: tuple[tuple[str, str, str, str, str, str], ...]
    total: str
    attributions: tuple[str, ...]


def render(sheet: Sheet) -> bytes:
    """The PDF's bytes."""
    styles = getSampleStyleSheet()
    total = ("Total", "", "", "", sheet.base_currency, sheet.total)
    table = Table([HEADINGS, *sheet.rows, total], repeatRows=1, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"),
                ("FONTNAME", (0, -1), (-1, -1), "Helvetica-Bold"),
                ("FONTSIZE", (0, 0), (-1, -1), 9),
                ("ALIGN", (1, 0), (2, -1), "RIGHT"),
                ("ALIGN", (4, 0), (-1, -1), "RIGHT"),
                ("LINEBELOW", (0, 0), (-1, 0), 0.75, colors.black),
                ("LINEABOVE", (0, -1), (-1, -1), 0.75, colors.black),
                ("ROWBACKGROUNDS", (0, 1), (-1, -2), [colors.white, colors.whitesmoke]),
            ]
        )
    )
    stale = " (a newer pack is being prepared)" if sheet.stale else ""
    # A portfolio's name is the user's: it must not become markup.
    story: list[Flowable] = [
        Paragraph(escape(sheet.title), styles["Title"]),
        Paragraph(escape(f"Value in {sheet.base_currency} as of {sheet.asof}{stale}"), styles["Normal"]),
        Spacer(1, 6 * mm),
        table,
        Spacer(1, 6 * mm),
        Paragraph(escape(f"Pricing pack {sheet.pack_id}, SHA-256 {sheet.pack_hash}"), styles["Normal"]),
        *[Paragraph(escape(line), styles["Normal"]) for line in sheet.attributions],
    ]
    out = io.BytesIO()
    SimpleDocTemplate(out, pagesize=A4, title=sheet.title, author="DawsOS", invariant=1).build(story)
    return out.getvalue()
