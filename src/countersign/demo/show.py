"""Runs the demo and shows it: a table that grows as things happen."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from countersign.demo.cast import Cast
from countersign.demo.histories import registrations
from countersign.demo.probes import (
    FOREIGN_DOMAIN,
    MAILBOX_ADDRESS,
    MAILBOX_HOST,
    DemoProbes,
)
from countersign.demo.registrar import URL, DemoRegistrar
from countersign.demo.story import Result, Story
from countersign.demo.world import (
    ALPHA,
    BETA,
    LMTP_PORT,
    PRIMARY,
    SMTP_PORT,
    SUBMISSION_PORT,
    ZONE,
    DemoError,
    World,
)
from countersign.registry.lookup import Standing
from countersign.settings.log import configure_log
from countersign.settings.values import Log


async def run_demo(console: Console, *, messages: list[bytes], keep: bool) -> bool:
    """Play the story and return whether every outcome was as promised.

    ``keep``: stay up afterwards until interrupted. Raises :class:`DemoError`.
    """
    configure_log(Log(level="error", format="console"))
    with tempfile.TemporaryDirectory(prefix="countersign-demo-") as directory:
        registrar = DemoRegistrar(Path(directory), SMTP_PORT)
        world = World(Path(directory))
        cast = Cast(world)
        probes = DemoProbes(Path(directory), URL)
        try:
            await _start(console, world, cast, registrar, probes)
            console.print(registrations(registrar))
            results = await _show_story(console, Story(world, cast, registrar, messages))
            failures = [result for result in results if not result.as_promised]
            _sum_up(console, world, results, failures)
            if keep:
                await _stay(console, world, registrar)
        finally:
            with console.status("Stopping …"):
                await cast.stop()
                await probes.stop()
                await world.stop()
                await registrar.stop()
    return not failures


async def _start(
    console: Console, world: World, cast: Cast, registrar: DemoRegistrar, probes: DemoProbes
) -> None:
    with console.status("Starting DNS and the registrar …") as status:
        await world.start_dns()
        world.dns.set(FOREIGN_DOMAIN, "MX", f"10 {MAILBOX_HOST}.", ttl=5)
        world.dns.set(MAILBOX_HOST, "A", MAILBOX_ADDRESS, ttl=5)
        await registrar.start()
        for host in (ALPHA, BETA):
            await asyncio.to_thread(registrar.add_replica, world, host)
        status.update("Starting probes in four networks …")
        await probes.start(await asyncio.to_thread(registrar.invite_probes))
        status.update("Starting two gateways and their neighbours …")
        await world.start_gateways()
        await _start_cast(cast)
        for host in (ALPHA, BETA):
            status.update(f"The registrar certifies {host.name}: papers, tests, bond …")
            await registrar.certify(host, world.dns)
            await world.wait_until_all_know(host, Standing.REGISTERED)


async def _start_cast(cast: Cast) -> None:
    try:
        await cast.start()
    except OSError as error:
        raise DemoError(f"a port of the demo is in use: {error}") from None


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


async def _stay(console: Console, world: World, registrar: DemoRegistrar) -> None:
    console.print(
        f"""
The registrar's website: {URL}   (its letters: {registrar.mail_directory}/new)
{_sign_ins(registrar)}
The world stays up. Send mail into it with any client:
  as a user of a registered server (a mail client, no password):
    swaks -s {ALPHA.address}:{SUBMISSION_PORT} -f {ALPHA.mailbox} -t {BETA.mailbox}
  as an MTA behind a gateway:
    swaks --protocol LMTP -s {ALPHA.address}:{LMTP_PORT} -f {ALPHA.mailbox} -t {BETA.mailbox}
  as anybody else, and be turned away:
    swaks -tls -s {BETA.address}:{SMTP_PORT} -f you@example.org -t {BETA.mailbox}
  ask the registrar's primary, as a secondary does:
    kdig {_at_primary()} AXFR {ZONE} -y "$(cat {world.key_file(BETA)})"
  see what a gateway's replica says of a host:
    countersign registry -c {world.config_file(BETA)} show {ALPHA.name}
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


def _at_primary() -> str:
    address, _, port = PRIMARY.rpartition(":")
    return f"@{address} -p {port}"


def _sign_ins(registrar: DemoRegistrar) -> str:
    lines = ["Sign in there as (staff: with one of the codes as second factor, each good once)"]
    for one in registrar.sign_ins:
        codes = f"  codes {' '.join(one.codes[:3])}" if one.codes else ""
        lines.append(f"  {one.email}  {one.password}  ({one.roles}){codes}")
    return "\n".join(lines)
