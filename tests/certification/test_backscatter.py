"""Mail to unknown recipients: refused, taken, or sent back."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.certification.backscatter import check_backscatter
from countersign.certification.outcome import TestOutcome, Verdict
from countersign.certification.put_off import repeat_put_off
from countersign.certification.turns import Turns
from tests.certification.relaying import ALL, MARK, TakingServer, by_name, taking, visit_of

PASSED, UNTESTED, INFORMATION = Verdict.PASSED, Verdict.COULD_NOT_TEST, Verdict.INFORMATION


async def examine(server: TakingServer, directory: Path, **changes: object) -> TestOutcome:
    async with server.running(directory):
        visit = visit_of(server.address, server.port, **changes)  # type: ignore[arg-type]
        turns = Turns(visit.caller)
        await check_backscatter(visit, turns)
        await repeat_put_off(visit, turns)
        turns.drop()
    return by_name(visit)["backscatter"]


async def test_who_refuses_unknown_recipients_passes(tmp_path: Path) -> None:
    server = taking()
    outcome = await examine(server, tmp_path)
    assert outcome.verdict is PASSED
    assert server.messages == []
    [asked] = [command for command in server.commands if command.startswith("RCPT")]
    assert asked.endswith("@local.example>")


async def test_who_takes_the_message_is_waited_for(tmp_path: Path) -> None:
    server = taking(ALL)
    outcome = await examine(server, tmp_path)
    assert outcome.verdict is INFORMATION
    [number] = outcome.messages
    assert f"MAIL FROM:<b-{MARK}-{number}@example.net>" in server.commands
    [(recipients, _)] = server.messages
    assert MARK not in recipients[0]


@pytest.mark.parametrize("changes", [{"mark": ""}, {"messages": 0}])
async def test_without_a_message_nothing_is_concluded(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    server = taking(ALL)
    outcome = await examine(server, tmp_path, **changes)
    assert outcome.verdict is INFORMATION
    assert outcome.messages == ()
    assert server.messages == []


async def test_a_refusal_after_the_message_makes_no_bounce(tmp_path: Path) -> None:
    outcome = await examine(taking(ALL | {".": "550 5.1.1 No such user"}), tmp_path)
    assert outcome.verdict is PASSED
    assert outcome.messages == ()


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ({"RCPT": "450 4.2.0 Greylisted"}, UNTESTED),
        ({"MAIL": "550 5.7.1 Not from you"}, PASSED),
        ({"RCPT": "421 4.7.0 Bye"}, UNTESTED),
    ],
)
async def test_who_puts_off_has_neither_passed_nor_failed(
    tmp_path: Path, answers: dict[str, str], verdict: Verdict
) -> None:
    assert (await examine(taking(answers), tmp_path)).verdict is verdict


async def test_without_a_mail_domain_there_is_nothing_to_ask(tmp_path: Path) -> None:
    server = taking()
    assert (await examine(server, tmp_path, mail_domain="")).verdict is INFORMATION
    assert server.connections == 0
