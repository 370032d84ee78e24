"""Screenshots: build output for whoever wants to see what the pages look like."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=360, height=740)
_ROOT = Path(__file__).parents[3]


class Album:
    """Numbers the pictures in their order: `07-documents.png`, `07-documents-phone.png`."""

    def __init__(self) -> None:
        self._folder = Path(
            os.environ.get("COUNTERSIGN_SCREENSHOTS") or _ROOT / "build" / "screenshots"
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.glob("[0-9][0-9]-*.png"):
            old.unlink()
        self.number = 0

    def take(self, page: Page, name: str, *, phone: bool = False) -> None:
        """Take a picture of the whole page, and one as a phone shows it."""
        self.number += 1
        stem = f"{self.number:02}-{name}"
        page.screenshot(path=self._folder / f"{stem}.png", full_page=True)
        if phone:
            page.set_viewport_size(PHONE)
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            page.screenshot(path=self._folder / f"{stem}-phone.png", full_page=True)
            page.set_viewport_size(DESKTOP)
            assert overflow <= 0, f"{page.url} is {overflow} px too wide for a phone"
