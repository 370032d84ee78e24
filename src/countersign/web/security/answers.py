"""Short answers from the layers before any page, which know nothing of who asks."""

from __future__ import annotations

from starlette.responses import PlainTextResponse


def plain_answer(status: int, text: str) -> PlainTextResponse:
    """Return an answer of one sentence."""
    return PlainTextResponse(f"{text}\n", status, {"Cache-Control": "no-store"})
