"""Runs the demo and shows it: a table that grows as things happen."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from countersign.demo.act import Result
from countersign.demo.histories import registrations
from countersign.demo.registrar import DemoRegistrar
from countersign.demo.stage import Stage
from countersign.demo.story import Story
from countersign.demo.world import (
    ALPHA,
    BETA,
    LMTP_PORT,
    PAGES_PORT,
    PRIMARY,
    REGISTRAR_URL,
    SMTP_PORT,
    SUBMISSION_PORT,
    ZONE,
    World,
)
from countersign.settings.log import configure_log
from countersign.settings.values import Log


async def run_demo(console: Console, *, messages: list[bytes], keep: bool) -> bool:
    """Play the story and return whether every outcome was as promised.

    ``keep``: stay up afterwards until interrupted. Raises :class:`DemoError`.
    """
    configure_log(Log(level="error", format="console"))
    with tempfile.TemporaryDirectory(prefix="countersign-demo-") as directory:
        stage = Stage(Path(directory))
        try:
            with console.status("Starting …") as status:
                await stage.start(status.update)
            console.print(registrations(stage.registrar))
            results = await _show_story(console, Story(stage, messages))
            failures = [result for result in results if not result.as_promised]
            _sum_up(console, stage.world, results, failures)
            if keep:
                await _stay(console, stage)
        finally:
            with console.status("Stopping …"):
                await stage.stop()
    return not failures


async def _show_story(console: Console, story: Story) -> list[Result]:
    results: list[Result] = []
    with Live(_table([]), console=console, refresh_per_second=8) as live:
        async for result in story.play():
            results.append(result)
            live.update(_table(results))
    return results


def _table(results: list[Result]) -> Table:
    table = Table(title="What happened to each", expand=True, show_lines=True)
    table.add_column("who", ratio=3, overflow="fold")
    table.add_column("tried", ratio=3)
    table.add_column("decided at", no_wrap=True)
    table.add_column("answer", ratio=5)
    table.add_column("octets", justify="right", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("as it\nshould", no_wrap=True)
    for result in results:
        colour = "green" if result.answer.startswith("250") else "yellow"
        table.add_row(
            result.who,
            result.tried,
            result.stage,
            f"[{colour}]{result.answer.partition('; see ')[0][:90]}[/]",
            str(result.received),
            f"{result.seconds * 1000:.0f}",
            "yes" if result.as_promised else "[bold red]NO[/]",
        )
    return table


def _sum_up(console: Console, world: World, results: list[Result], failures: list[Result]) -> None:
    if not failures:
        console.print(f"[green]All {len(results)} outcomes are as the design promises.[/]")
        return
    console.print(f"[bold red]{len(failures)} of {len(results)} outcomes are wrong.[/]")
    for host in (ALPHA, BETA):
        log = world.log_file(host).read_text(errors="replace").splitlines()
        console.print(f"The last lines of {host.name}'s log:", *log[-15:], sep="\n", markup=False)


async def _stay(console: Console, stage: Stage) -> None:
    world, registrar, users = stage.world, stage.registrar, stage.users
    console.print(
        f"""
The registrar's website: {REGISTRAR_URL}   (its letters: {registrar.mail_directory}/new)
{_sign_ins(registrar)}
The world stays up. Send mail into it with any client:
  as a user of a registered server, with a password:
    swaks -tls -s {ALPHA.address}:{SUBMISSION_PORT} -f {ALPHA.mailbox} -t {BETA.mailbox} \
-au {users.alice.name} -ap {users.alice.password}
  see what that user has sent, or as the administrator who is locked, in a browser:
    http://{ALPHA.address}:{PAGES_PORT}  {users.alice.name} {users.alice.password}
                            {users.administrator.name} {users.administrator.password}
  who sent a message that bob has got? Its file tells, or the ID in its Message-Tracking field:
    {_program()} admin trace -c {world.config_file(ALPHA)} FILE
  as an MTA behind a gateway:
    swaks --protocol LMTP -s {ALPHA.address}:{LMTP_PORT} -f {ALPHA.mailbox} -t {BETA.mailbox}
  as anybody else, and be turned away:
    swaks -tls -s {BETA.address}:{SMTP_PORT} -f you@example.org -t {BETA.mailbox}
  ask the registrar's primary, as a secondary does:
    kdig {_at_primary()} AXFR {ZONE} -y "$(cat {world.key_file(BETA)})"
  see what a gateway's replica says of a host:
    {_program()} registry -c {world.config_file(BETA)} show {ALPHA.name}
Received mail: {world.maildir(BETA)}/new
               {world.maildir(ALPHA)}/new
Logs:          {world.log_file(BETA)}
               {registrar.log_file}
Stop with Ctrl-C.""",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


def _program() -> str:
    """Return what calls this program from here: in a virtual environment it is not on the path."""
    called = sys.argv[0]
    return shlex.quote(called) if Path(called).name == "countersign" else "countersign"


def _at_primary() -> str:
    address, _, port = PRIMARY.rpartition(":")
    return f"@{address} -p {port}"


def _sign_ins(registrar: DemoRegistrar) -> str:
    lines = ["Sign in there as (staff: with one of the codes as second factor, each good once)"]
    for one in registrar.sign_ins:
        codes = f"  codes {' '.join(one.codes[:3])}" if one.codes else ""
        lines.append(f"  {one.email}  {one.password}  ({one.roles}){codes}")
    return "\n".join(lines)
