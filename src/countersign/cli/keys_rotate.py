"""countersign keys rotate: what it does, and what it says of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from rich.console import Console

from countersign.cli.common import errors
from countersign.cli.keys_common import moment, open_dns, open_registrar
from countersign.gateway.config import Config
from countersign.gateway.registrar_link.errors import NotLinkedError
from countersign.gateway.submission.key_file import KeyKind, KeyStoreError
from countersign.gateway.submission.keys import KeyStore, key_directory
from countersign.gateway.submission.rotating import Outcome, Report, Rotation
from countersign.gateway.submission.rotation import Policy, Step, StepKind

_DONE = {
    StepKind.MAKE: "a new key was made",
    StepKind.PUBLISH: "the registrar has it",
    StepKind.ACTIVATE: "it signs now; the one before it retired",
    StepKind.REVOKE: "it was revoked, and its private half deleted",
}
_NEXT = {
    StepKind.MAKE: "the next one is made",
    StepKind.PUBLISH: "it is sent to the registrar",
    StepKind.ACTIVATE: "it signs as soon as the DNS has it: see countersign keys show",
    StepKind.REVOKE: "it is revoked",
}


def run_rotation(
    config: Config, kinds: Sequence[KeyKind], policy: Policy, console: Console
) -> bool:
    """Do what is due, and print it; tell whether nothing failed. Raises :class:`KeyStoreError`."""
    try:
        config.state_directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyStoreError(f"cannot make {config.state_directory}: {error.strerror}") from error
    reports, coming = asyncio.run(_rotate(config, kinds, policy))
    for report in reports:
        name = report.step.selector or report.step.key_kind
        if report.outcome is Outcome.DONE:
            console.print(f"{name}: {_DONE[report.step.kind]}.")
        elif report.outcome is Outcome.WAITS:
            console.print(f"{name}: waits, because {report.reason}.")
        else:
            errors.print(f"{name}: {report.step.kind} failed: {report.reason}", style="red")
    for step in coming:
        when = moment(step.due) if step.due > time.time() else "at the next call"
        console.print(f"Next, {when}: {step.selector or step.key_kind}: {_NEXT[step.kind]}.")
    return all(report.outcome is not Outcome.FAILED for report in reports)


async def _rotate(
    config: Config, kinds: Sequence[KeyKind], policy: Policy
) -> tuple[list[Report], list[Step]]:
    async with AsyncExitStack() as stack:
        try:
            registrar = await stack.enter_async_context(open_registrar(config))
        except NotLinkedError:
            registrar = None
        store = KeyStore(key_directory(config.state_directory))
        dns = open_dns(config)
        rotation = Rotation(store, registrar, dns, config.hostname, time.time, policy)
        return await rotation.rotate(kinds), rotation.steps(kinds)
