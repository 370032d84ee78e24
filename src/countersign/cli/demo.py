"""countersign demo: a whole world on loopback addresses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def demo(
    message: Annotated[
        list[Path] | None,
        typer.Option(
            "--message",
            "-m",
            exists=True,
            dir_okay=False,
            help="A message file (.eml) to send from one registered server to the other too; "
            "may be given several times.",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up afterwards, for mail with any client.")
    ] = False,
) -> None:
    """Show it at work: real messages through two gateways, and everybody else turned away.

    Starts, on addresses of 127.53.0.0/16 and without root: a DNS server, two registered
    servers, an unregistered one, a Trojan on the address of a registered one, a guesser, a
    replayer, and a receiver that passes session IDs on. The exit status is 1 if any outcome
    differs from what the design promises.

    Example: countersign demo --message letter.eml --keep
    """
    # The demo is the outermost room: only the demo command itself loads it.
    from countersign.demo.show import run_demo
    from countersign.demo.story import read_messages
    from countersign.demo.world import DemoError

    console = Console()
    try:
        messages = read_messages(message or [])
        ok = asyncio.run(run_demo(console, messages=messages, keep=keep))
    except (DemoError, OSError) as error:
        console.print(f"[bold red]countersign demo:[/] {error}")
        raise typer.Exit(2) from None
    if not ok:
        raise typer.Exit(1)
