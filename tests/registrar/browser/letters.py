"""The letters that the registrar has written, as the people of the town find them."""

from __future__ import annotations

import re
import time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

_SECONDS = 30
_POLL_SECONDS = 0.05
_LINK = re.compile(r"^\s+(http://\S+)$", re.MULTILINE)


class Mailbox:
    """The Maildir that the registrar's mail goes to; each letter is taken out once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._taken: set[str] = set()
        self._read: dict[str, EmailMessage] = {}

    def letter(self, to: str, subject: str) -> str:
        """Return the text of the next letter to somebody whose subject has some words in it."""
        end = time.monotonic() + _SECONDS
        while True:
            self._look()
            for name, letter in self._read.items():
                if (
                    name not in self._taken
                    and to in str(letter["To"])
                    and subject in str(letter["Subject"])
                ):
                    self._taken.add(name)
                    body = letter.get_body(("plain",))
                    assert body is not None
                    return str(body.get_content())
            assert time.monotonic() < end, self._what_there_is(to, subject)
            time.sleep(_POLL_SECONDS)

    def link(self, to: str, subject: str) -> str:
        """Return the first link in the next such letter."""
        text = self.letter(to, subject)
        found = _LINK.search(text)
        assert found is not None, text
        return found[1]

    def _look(self) -> None:
        for file in sorted((self._directory / "new").glob("*")):
            if file.name not in self._read:
                letter = message_from_bytes(file.read_bytes(), policy=default)
                assert isinstance(letter, EmailMessage)
                self._read[file.name] = letter

    def _what_there_is(self, to: str, subject: str) -> str:
        letters = [f"{one['To']}: {one['Subject']}" for one in self._read.values()]
        return f"no letter to {to} about {subject!r} among {letters}"
