"""One address of a host, while it is tested: what the steps of the battery share. No I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from countersign.certification.assignment import Assignment
from countersign.certification.catalogue import Test
from countersign.certification.delivery import Messages
from countersign.certification.form import Names
from countersign.certification.session import Caller
from countersign.certification.sheet import Sheet
from countersign.transport.resolver import Resolver

if TYPE_CHECKING:
    from countersign.certification.put_off import PutOff


@dataclass(slots=True)
class Visit:
    """The tests of one address, and what earlier ones found out for later ones."""

    assignment: Assignment
    names: Names
    caller: Caller
    sheet: Sheet
    resolver: Resolver
    answered_elsewhere: bool = False
    """Another address of the host has answered a question about a wrong ID."""
    has_tls: bool = False
    """STARTTLS works on the mail port."""
    answered_false: bool = False
    """A question about a wrong ID was answered here: more questions are suspended now."""
    is_domain_unknown: bool = False
    """The DNS did not say whether the host takes mail for a domain: some forms were not tried."""
    refusal: str = ""
    """How mail to postmaster and to a foreign domain is refused alike, as :func:`said.shape`."""
    is_over: bool = False
    """The server cannot be talked to: no more steps."""
    put_off: list[PutOff] = field(default_factory=list)
    """Tests that the server put off, to be repeated."""
    messages: Messages = field(init=False)
    """Those that may be sent through this address."""

    def __post_init__(self) -> None:
        """Begin with all messages unsent."""
        self.messages = Messages(self.names, self.assignment)


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the battery at one address."""

    make: Callable[[Visit], Awaitable[None]]
    """Adds an outcome to the sheet for each of its tests."""
    tests: Callable[[Visit], Iterable[Test]]
    """Its tests: what is without outcome when the time is over is noted as not made."""
    needs_tls: bool = False
    """Made inside TLS only: not made where STARTTLS did not work."""
    is_always_made: bool = False
    """Made even if all its tests are switched off: later steps need what it finds out."""
    must_end: bool = False
    """If there was no time for one of its tests, nothing can be said of the server as a whole."""
