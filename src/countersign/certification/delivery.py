"""Test messages: how many may be sent through one address, and how one is (DESIGN §8)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from countersign.certification.assignment import Assignment
from countersign.certification.catalogue import Test
from countersign.certification.form import LocalParts, Names
from countersign.certification.message import Letter
from countersign.certification.said import Said, Trouble, is_accepted
from countersign.certification.session import Session
from countersign.certification.test_address import ALPHABET, NUMBER_LENGTH, Kind, TestAddress


@dataclass(frozen=True, slots=True)
class Delivered:
    """The replies to a message."""

    data: Said
    """To DATA."""
    content: Said | None = None
    """To the content; None: it was not sent."""
    number: str = ""
    """Of the message."""

    @property
    def numbers(self) -> tuple[str, ...]:
        """The message's number if the server took it, or may have taken it."""
        # A connection that ended after the content leaves open whether it was taken.
        is_open = is_accepted(self.content) or isinstance(self.content, Trouble)
        return (self.number,) if is_open else ()


class Messages:
    """The messages that may be sent through one address."""

    def __init__(self, names: Names, assignment: Assignment) -> None:
        self.mark = assignment.mark
        """Empty: there is no test mailbox, and nothing is sent."""
        self.left = assignment.battery.messages if self.mark else 0
        self._names = names
        self._battery = assignment.battery

    def new_number(self) -> str:
        """Return the number of a message that may be sent; empty without a test mailbox."""
        if not self.mark:
            return ""
        return "".join(secrets.choice(ALPHABET) for _ in range(NUMBER_LENGTH))

    def local_parts(self, number: str) -> LocalParts:
        """Return the local parts of the addresses by which a message is known."""
        if not number:
            return LocalParts()
        sender = str(TestAddress(Kind.BOUNCED, self.mark, number))
        recipient = str(TestAddress(Kind.RELAYED, self.mark, number))
        return LocalParts(recipient, sender, sender)

    async def send(self, session: Session, test: Test, number: str) -> Delivered | None:
        """Send a message to the recipients that were accepted; None if no more may be sent."""
        if self.left <= 0 or not number:
            return None
        data = await session.ask_for_content()
        if isinstance(data, Trouble) or not data.is_intermediate:
            return Delivered(data)
        letter = Letter(
            sender=f"{self.local_parts(number).sender}@{self._names.foreign_domain}",
            number=number,
            hello=self._battery.hello,
            about=self._battery.about,
            host=self._names.host,
            test=f"{test.name}: {test.title}",
        )
        content = await session.send_content(letter.octets(datetime.now(UTC)))
        delivered = Delivered(data, content, number)
        # What is refused was not sent: whoever refuses all forms late is tried with all of them.
        self.left -= len(delivered.numbers)
        return delivered
