"""A mail server that takes messages, and one visit of it, without the rest of the battery."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from countersign.certification.assignment import Assignment
from countersign.certification.form import Names
from countersign.certification.outcome import TestOutcome
from countersign.certification.session import Caller
from countersign.certification.settings import Standing
from countersign.certification.sheet import Sheet
from countersign.certification.standpoint import Standpoint
from countersign.certification.transcript import Transcript
from countersign.certification.visit import Visit
from tests.certification.running import HOST, LOOPBACK, battery_for
from tests.certification.servers import FaultyServer

MARK = "abcdefghijklmnop"
ALL = {"RCPT": "250 2.1.5 Ok", "rcpt": "250 2.1.5 Ok"}
"""Answers of a server that takes any recipient."""


TakingServer = FaultyServer


def taking(clear: Mapping[str, str] = {}, **changes: Any) -> FaultyServer:
    """Return a server that takes any message for recipients that it accepts."""
    answers = {"DATA": "354 Go on", ".": "250 2.0.0 Queued", "AUTH": "535 5.7.8 No"} | dict(clear)
    return FaultyServer(answers, answers, **changes)


def visit_of(
    address: str,
    port: int,
    *,
    mark: str = MARK,
    mail_domain: str = "local.example",
    traps: tuple[str, ...] = (),
    **changes: Any,
) -> Visit:
    """Return the visit of a server, of which a part of the battery is to be made."""
    battery = battery_for(port, **changes)
    assignment = Assignment(host=HOST, mark=mark, traps=traps, battery=battery)
    standpoint = Standpoint(Standing(networks=LOOPBACK))
    transcript = Transcript(asyncio.get_running_loop().time)
    caller = Caller(address, HOST, battery, transcript, standpoint)
    sheet = Sheet(address, transcript, None, battery.without)
    names = Names(HOST, address, battery.foreign_domain, mail_domain)
    visit = Visit(assignment, names, caller, sheet, standpoint.resolver)
    visit.has_tls = True
    return visit


def by_name(visit: Visit) -> dict[str, TestOutcome]:
    """Return the outcomes of a visit; none comes twice."""
    outcomes = {outcome.name: outcome for outcome in visit.sheet.outcomes}
    assert len(outcomes) == len(visit.sheet.outcomes)
    return outcomes
