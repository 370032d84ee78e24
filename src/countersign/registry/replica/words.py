"""The operator's words that a puller has yet to act on."""

from __future__ import annotations

import contextlib
from pathlib import Path

import structlog

from countersign.registry.replica.notes import ACCEPT_SHRINK, RESET, drop_word, word_of

log = structlog.get_logger()


class Words:
    """What was said, as it is found beside the copy."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.reset = False
        """Take the whole zone, whatever its serial."""
        self.may_shrink_to: int | None = None
        """Records that may be left."""

    def look(self) -> bool:
        """Look again; True if there is something that was not there before."""
        before = (self.reset, self.may_shrink_to)
        self.reset = word_of(self._directory, RESET) is not None
        accepted = word_of(self._directory, ACCEPT_SHRINK)
        records = accepted.get("records") if accepted is not None else None
        self.may_shrink_to = records if isinstance(records, int) and records >= 0 else None
        after = (self.reset, self.may_shrink_to)
        if after in (before, (False, None)):
            return False
        log.info("an operator's word", reset=self.reset, may_shrink_to=self.may_shrink_to)
        return True

    def acted(self) -> None:
        """Drop what was known when a zone was put in place; what was said since stays."""
        known = {RESET: self.reset, ACCEPT_SHRINK: self.may_shrink_to is not None}
        for word in (one for one, is_known in known.items() if is_known):
            with contextlib.suppress(OSError):
                drop_word(self._directory, word)
        self.reset, self.may_shrink_to = False, None
