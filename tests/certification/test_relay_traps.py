"""The registrar's mailboxes on a host: mail to them must be taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from countersign.certification.assignment import Assignment
from countersign.certification.outcome import TestOutcome, Verdict
from countersign.certification.put_off import repeat_put_off
from countersign.certification.traps import check_traps
from countersign.certification.turns import Turns
from tests.certification.relaying import TakingServer, by_name, taking, visit_of

TRAPS = ("anna.secret@local.example", "berta.secret@local.example")
TAKEN = {f"RCPT TO:<{trap}>": "250 2.1.5 Ok" for trap in TRAPS}


async def examine(server: TakingServer, directory: Path) -> TestOutcome:
    async with server.running(directory):
        visit = visit_of(server.address, server.port, traps=TRAPS)
        turns = Turns(visit.caller)
        await check_traps(visit, turns)
        await repeat_put_off(visit, turns)
        turns.drop()
    outcome = by_name(visit)["traps"]
    assert "secret" not in outcome.explanation
    assert server.messages == []
    return outcome


async def test_who_takes_mail_to_all_traps_passes(tmp_path: Path) -> None:
    server = taking(TAKEN)
    outcome = await examine(server, tmp_path)
    assert outcome.verdict is Verdict.PASSED
    assert outcome.is_essential
    assert [c for c in server.commands if c.startswith("RCPT")] == list(TAKEN)


async def test_one_trap_that_is_refused_fails_and_is_not_named(tmp_path: Path) -> None:
    refused = {f"RCPT TO:<{TRAPS[1]}>": f"550 5.1.1 <{TRAPS[1]}>: no such user"}
    outcome = await examine(taking(TAKEN | refused), tmp_path)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.explanation.startswith("1 of 2")
    assert "550 5.1.1" in outcome.explanation
    assert any(TRAPS[1] in line.text for line in outcome.transcript)


@pytest.mark.parametrize(
    ("answers", "is_essential"),
    [
        ({f"RCPT TO:<{TRAPS[0]}>": "450 4.2.0 Greylisted"}, True),
        ({f"RCPT TO:<{TRAPS[0]}>": "421 4.7.0 Bye"}, True),
        ({f"RCPT TO:<{trap}>": "550 5.7.1 Registered servers only" for trap in TRAPS}, False),
        ({"MAIL": "550 5.7.1 Registered servers only"}, False),
        ({"MAIL": "451 4.3.0 Later"}, True),
    ],
)
async def test_a_refusal_of_the_tester_says_nothing_of_the_traps(
    tmp_path: Path, answers: dict[str, str], is_essential: bool
) -> None:
    outcome = await examine(taking(TAKEN | answers), tmp_path)
    assert outcome.verdict is Verdict.COULD_NOT_TEST
    assert outcome.is_essential is is_essential


async def test_the_empty_sender_is_tried_where_another_is_refused(tmp_path: Path) -> None:
    outcome = await examine(taking(TAKEN | {"MAIL FROM:<b-": "550 5.7.23 SPF fails"}), tmp_path)
    assert outcome.verdict is Verdict.PASSED


@pytest.mark.parametrize("trap", ["a@b>\r\nQUIT", "a b@c", "<a@b>", "", "a\0@b"])
def test_a_trap_that_is_no_mailbox_is_in_no_assignment(trap: str) -> None:
    with pytest.raises(ValidationError):
        Assignment(host="mail.local.example", traps=(trap,))
