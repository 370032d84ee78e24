"""Comments that the three configurations have in common, and the order to install them."""

from __future__ import annotations

import textwrap

from countersign.cli.dns_servers.plan import RENEWAL_DAYS, SIGNATURE_DAYS, Plan

WIDTH = 96

NOT_RECURSIVE = "It answers for its own zones only, and refuses everything else."
NOTIFY = "NOTIFY is taken from the primary only, and only with its key."
TRANSFER = "Nobody may copy the zone but who has a key of its own: replicas, further secondaries."
NO_TRANSFER = "Nobody may copy the zone from here. For replicas: --allow-transfer-key FILE."
LIMIT = """\
Response rate limiting for each network of clients. Beyond it every answer is cut short (slip 1)
and none is dropped, so that an honest resolver asks again over TCP, while the victim of forged
questions gets small packets only."""
COOKIES = "A client that returns its DNS cookie (RFC 7873) forges nothing, and is not limited."
REFRESH = """\
A change comes by NOTIFY, at once. Where every NOTIFY is lost, it comes by a look at the primary's
serial: at the latest after the longest of these intervals (seconds)."""
EXPIRE = "Served for this long at least after the primary was last heard of: mail goes on."
SIGNER = """\
DNSSEC. Sign at ONE server only. Two signers have two sets of keys, and a resolver that takes the
keys of one and a signature of the other refuses both. Give the other public secondaries a key
here (--allow-transfer-key, --notify), and let them follow this server and not sign. Let the
registrar know (countersign registrar secondaries add NAME --kind signer): it then sends the zone
without its own digest (ZONEMD), which fits no signed zone, and differences go on fitting."""
NSEC = """\
Absence is proved by NSEC. The list is public, so there is nothing for NSEC3 to hide; NSEC is
smaller, costs no hashing, and lets resolvers answer 'not registered' by themselves (RFC 8198)."""
ROLLOVER = f"""\
The server makes and rolls the keys by itself, but for the key signing key, whose DS record in the
parent zone must follow. When this server is lost, copies of the zone go on validating for
{SIGNATURE_DAYS - RENEWAL_DAYS} days at least."""


def comment(text: str, indent: int = 0) -> list[str]:
    """Return a text as lines of comment."""
    prefix = " " * indent + "# "
    return textwrap.wrap(
        text, WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False
    )


def heading(plan: Plan, program: str, file: str, include: str, check: str) -> list[str]:
    """Return the first lines of a configuration: what it is, and how it is put in place."""
    group = {"Knot DNS": "knot", "NSD": "nsd", "BIND": "bind"}[program]
    return [
        f"# {program} as a public secondary of the registry: {', '.join(plan.zones)}",
        "#",
        f"# 1. Save this as {file}",
        "# 2. Print the secrets by the same command, into a file that only its group can read:",
        "#      countersign setup ... --keys-only |",
        f"#      install -m 0640 -o root -g {group} /dev/stdin {include}",
        f"# 3. {check}",
        "#",
        *comment(
            "The secrets are in a file of their own, so that this one may be shown and copied."
        ),
        *_key_hint(plan),
    ]


def keys_heading(plan: Plan) -> list[str]:
    """Return the first lines of the file with the keys."""
    lines = comment("TSIG keys (RFC 8945), which are secret: owner root, the server's group, 0640.")
    return [*lines, *_key_hint(plan)]


def _key_hint(plan: Plan) -> list[str]:
    if plan.key is not None:
        return []
    return [
        "#",
        *comment(
            "THE KEY IS MISSING. The registrar's staff make one for each secondary with "
            "'countersign registrar secondaries add'. Save it with mode 0600, and print this "
            "again with --key-file FILE."
        ),
    ]
