"""countersign keys: the keys that sign submitted mail (DESIGN §5, docs/SUBMISSION.md)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail, read_config
from countersign.gateway.submission.key_file import KeyKind, KeyState, KeyStoreError

if TYPE_CHECKING:
    from countersign.gateway.submission.key_file import StoredKey

app = typer.Typer(
    help="Make, publish and rotate the keys that sign mail (DKIM).\n\n"
    "The server signs what its users submit, so that a report proves what was sent, and nobody "
    "can frame the server. A key goes through five states: **made** here; **published**: the "
    "registrar has its public half in the registry's zone; **signing**, once the DNS has it "
    "under this host's name; **retired**, when the next one signs; **revoked**, when no mail "
    "that it signed can be under way any more.\n\n"
    "Once: let verifiers find the keys below your own name. `countersign keys show` prints the "
    "one DNS record that does so for all keys to come. Then let a timer do the rest, each day, "
    "or each hour:\n\n"
    "`countersign keys rotate`\n\n"
    "It makes the first keys, and new ones twice a year; it publishes, puts to use, revokes. "
    "Step by step: `make`, `publish`, `activate`, later `retire`, `revoke`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
console = Console(soft_wrap=True, highlight=False)
Selectors = Annotated[
    list[str] | None, typer.Argument(help="Which; default: all that are due for it.")
]
Selector = Annotated[str, typer.Argument(help="Which; see `keys list`.")]
KindOption = Annotated[
    list[KeyKind] | None, typer.Option("--kind", help="Ed25519 or RSA; default: one of each.")
]
ByHandOption = Annotated[
    bool, typer.Option("--by-hand", help="Only note it: the TXT record is in a zone of your own.")
]


@app.command()
def make(
    *,
    kind: KindOption = None,
    bits: Annotated[int, typer.Option(min=2048, max=4096, help="Of an RSA key.")] = 2048,
    selector: Annotated[
        str, typer.Option(help="Its name in the DNS; default: by the date, such as cs2611a.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make new keys. They sign nothing yet.

    Some receivers know RSA only, and Ed25519 is the better key: hence one of each.

    Example: countersign keys make && countersign keys publish
    """
    from countersign.cli.keys_common import opened

    kinds = kind or list(KeyKind)
    if selector and len(kinds) > 1:
        fail("one selector is for one key: say which --kind")
    with opened(config, create=True) as store:
        for one in kinds:
            made = store.make(one, time.time(), selector=selector, bits=bits)
            console.print(f"{made.selector}: made, {made.kind}.")
    console.print("Next: countersign keys publish")


@app.command("list")
def list_keys(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Revoked ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the keys, and how far each has come.

    Example: countersign keys list --json
    """
    from countersign.cli.keys_common import as_json_text, as_table, opened

    with opened(config) as store:
        keys = [key for key in store.all() if everything or key.state is not KeyState.REVOKED]
    if as_json:
        typer.echo(as_json_text(keys))
    elif keys:
        console.print(as_table(keys))
    else:
        console.print("There are no keys: countersign keys rotate makes and publishes them.")


@app.command()
def show(selector: Selectors = None, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print what belongs into the DNS: for this host's zone, as in a zone file.

    Example: countersign keys show cs2611a
    """
    from countersign.cli.keys_common import opened, zone_lines

    settings = read_config(config)
    with opened(config) as store:
        keys = [key for key in store.all() if key.state is not KeyState.REVOKED]
        keys = [store.key(one) for one in selector] if selector else keys
    typer.echo(zone_lines(settings.hostname, settings.registry.zone, keys), nl=False)


@app.command()
def publish(
    selector: Selectors = None,
    *,
    by_hand: ByHandOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Send the public halves of keys to the registrar, which publishes them in its zone.

    Example: countersign keys publish
    """
    from countersign.cli.keys_common import chosen, opened, publish_all

    settings = read_config(config)
    with opened(config) as store:
        keys = chosen(store, selector, KeyState.MADE)
        if by_hand:
            for key in keys:
                store.publish(key.selector, time.time())
        else:
            publish_all(settings, store, keys)
    _say(keys, "published")
    console.print("Next: countersign keys activate, when the DNS has them")


@app.command()
def activate(
    selector: Selectors = None,
    *,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Do not look whether the DNS has them.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Let keys sign, if the DNS has them; those of their kind that did so far retire.

    The gateway follows within a second. A signature whose key is not in the DNS yet would count
    as a broken one: hence the look. A key that has retired can be put to use again by its name.

    Example: countersign keys activate
    """
    from countersign.cli.keys_common import chosen, opened, require_in_dns

    settings = read_config(config)
    with opened(config) as store:
        keys = chosen(store, selector, KeyState.PUBLISHED)
        if not unchecked:
            require_in_dns(settings, keys)
        for key in keys:
            store.activate(key.selector, time.time())
    _say(keys, "signs now")


@app.command()
def retire(selector: Selector, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let a key sign no more. It stays in the DNS for what it has signed.

    Example: countersign keys retire cs2605a
    """
    from countersign.cli.keys_common import opened

    with opened(config) as store:
        key = store.retire(selector, time.time())
        others = [one for one in store.all() if one.state is KeyState.SIGNING]
    _say([key], "retired")
    if not others:
        console.print("No key signs now: mail goes out unsigned.", style="yellow")


@app.command()
def revoke(
    selector: Selector,
    *,
    keep_days: Annotated[
        float, typer.Option(min=0, help="Days that it must have been retired.")
    ] = 14,
    stolen: Annotated[
        bool, typer.Option("--stolen", help="At once, even if it signs: others may have it.")
    ] = False,
    by_hand: ByHandOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take a key out of the registry's zone, and delete its private half.

    Mail that it signed and that is still in a queue would not verify any more: hence the days.

    Example: countersign keys revoke cs2605a
    """
    from countersign.cli.keys_common import opened, revoke_one

    settings = read_config(config)
    with opened(config) as store:
        key = store.key(selector)
        left = keep_days - (time.time() - key.since) / 86400
        if not stolen and key.state is KeyState.RETIRED and left > 0:
            fail(f"{selector} retired too short a time ago: {left:.1f} days are left", 1)
        if stolen and key.state is KeyState.SIGNING:
            key = store.retire(selector, time.time())
        if by_hand:
            store.revoke(selector, time.time())
        else:
            revoke_one(settings, store, key)
    _say([key], "revoked")


@app.command()
def rotate(
    *,
    every_days: Annotated[float, typer.Option(min=1, help="Days that a key signs.")] = 180,
    keep_days: Annotated[
        float, typer.Option(min=1, help="Days that a retired key stays in the DNS.")
    ] = 14,
    kind: KindOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Do what is due: make, publish, put to use, revoke. Says what it did and what comes next.

    For a timer: it can be called as often as one likes, and does nothing where nothing is due.
    Fails (exit status 1) if something that was due could not be done; the next call tries again.

    Example: countersign keys rotate --every-days 90
    """
    from countersign.cli.keys_rotate import run_rotation
    from countersign.gateway.submission.rotation import Policy

    try:
        is_well = run_rotation(
            read_config(config), kind or list(KeyKind), Policy(every_days, keep_days), console
        )
    except KeyStoreError as error:
        fail(f"countersign keys: {error}", 1)
    if not is_well:
        raise typer.Exit(1)


def _say(keys: list[StoredKey], what: str) -> None:
    for key in keys:
        console.print(f"{key.selector}: {what}.")
