"""Knot DNS (3.2 or later) as a secondary, signing on the way where asked."""

from __future__ import annotations

from countersign.cli.dns_servers import words
from countersign.cli.dns_servers.plan import (
    MAX_REFRESH,
    MAX_RETRY,
    MIN_EXPIRE,
    MIN_REFRESH,
    MIN_RETRY,
    RENEWAL_DAYS,
    SECRET_UNKNOWN,
    SIGNATURE_DAYS,
    ZONE_KEY_DAYS,
    Plan,
)
from countersign.cli.dns_servers.words import comment

FILE = "/etc/knot/knot.conf"
INCLUDE = "/etc/knot/countersign-keys.conf"
DIGEST = """\
The registrar's digest of the zone (ZONEMD, RFC 8976) covers no signatures: another one is made, so
that replicas can check the signed copy as a whole. That reads the whole zone at each change, which
takes a second or two for each million names: for a larger zone write 'none' here."""


def knot_configuration(plan: Plan) -> str:
    """Return the whole of knot.conf."""
    include = plan.include or INCLUDE
    parts = [
        words.heading(
            plan,
            "Knot DNS",
            FILE,
            include,
            f"knotc -c {FILE} conf-check && systemctl restart knot",
        ),
        _server(plan),
        _database(plan),
        ["# The secrets.", f"include: {include}"],
        _remotes(plan),
        _rules(plan),
        _modules(plan),
        _policy(plan) if plan.sign else [],
        _template(plan),
        ["zone:", *(f"  - domain: {zone}" for zone in plan.zones)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def knot_keys(plan: Plan) -> str:
    """Return the file that knot.conf includes: the keys with their secrets."""
    lines = [*words.keys_heading(plan), "key:"]
    if plan.key is None:
        lines += [f"  - id: {plan.key_name}.", "    algorithm: hmac-sha256"]
        lines += [f"    secret: {SECRET_UNKNOWN}"]
    for key in plan.keys:
        lines += [f"  - id: {key.name}.", f"    algorithm: {key.algorithm}"]
        lines += [f"    secret: {key.encoded}"]
    return "\n".join(lines) + "\n"


def _server(plan: Plan) -> list[str]:
    return [
        *comment(words.NOT_RECURSIVE),
        "server:",
        f"    rundir: {plan.directory or '/run/knot'}",
        f"    user: {plan.user or 'knot:knot'}",
        '    version: ""',
        '    identity: ""',
        f"    listen: [{', '.join(endpoint.with_at for endpoint in plan.listen)}]",
        "",
        "log:",
        "    # Standard error, which systemd keeps in its journal.",
        "  - target: stderr",
        "    any: info",
    ]


def _database(plan: Plan) -> list[str]:
    storage = plan.directory or "/var/lib/knot"
    return [
        "database:",
        f"    storage: {storage}",
        *comment("Room in address space for a signed zone of millions of names, not disk.", 4),
        "    journal-db-max-size: 40G",
    ]


def _remotes(plan: Plan) -> list[str]:
    lines = ["# The registrar's hidden primary, and the replicas that are told of changes."]
    lines.append("remote:")
    for number, endpoint in enumerate(plan.primaries, 1):
        lines += [f"  - id: primary-{number}", f"    address: {endpoint.with_at}"]
        lines += [f"    key: {plan.key_name}."]
    for number, replica in enumerate(plan.notified, 1):
        lines += [f"  - id: replica-{number}", f"    address: {replica.endpoint.with_at}"]
        lines += [f"    key: {replica.key_name}."]
    return lines


def _rules(plan: Plan) -> list[str]:
    lines = [*comment(words.NOTIFY), "acl:", "  - id: notify-from-primary"]
    addresses = dict.fromkeys(endpoint.address for endpoint in plan.primaries)
    lines += [f"    address: [{', '.join(addresses)}]"]
    lines += [f"    key: {plan.key_name}.", "    action: notify"]
    if plan.transfer_keys:
        keys = ", ".join(f"{key.name}." for key in plan.transfer_keys)
        lines += [*comment(words.TRANSFER, 2), "  - id: transfer-to-replicas"]
        lines += [f"    key: [{keys}]", "    action: transfer"]
    else:
        lines += comment(words.NO_TRANSFER, 2)
    return lines


def _modules(plan: Plan) -> list[str]:
    return [
        *comment(words.LIMIT),
        "mod-rrl:",
        "  - id: limit",
        f"    rate-limit: {plan.rate_limit}",
        "    slip: 1",
        *comment(words.COOKIES),
        "mod-cookies:",
        "  - id: cookies",
    ]


def _policy(plan: Plan) -> list[str]:
    return [
        *comment(words.SIGNER),
        *comment(words.ROLLOVER),
        f"# The DS record for the parent zone: keymgr -c {FILE} {plan.zones[0]} ds",
        "policy:",
        "  - id: countersign",
        "    algorithm: ECDSAP256SHA256",
        "    ksk-lifetime: 0",
        f"    zsk-lifetime: {ZONE_KEY_DAYS}d",
        f"    rrsig-lifetime: {SIGNATURE_DAYS}d",
        f"    rrsig-refresh: {RENEWAL_DAYS}d",
        *comment(words.NSEC, 4),
        "    nsec3: off",
    ]


def _template(plan: Plan) -> list[str]:
    masters = ", ".join(f"primary-{number}" for number in range(1, len(plan.primaries) + 1))
    acl = "notify-from-primary" + (", transfer-to-replicas" if plan.transfer_keys else "")
    lines = ["template:", "  - id: default", f"    storage: {plan.directory or '/var/lib/knot'}"]
    lines += ["    global-module: [mod-cookies/cookies, mod-rrl/limit]"]
    lines += [f"    master: [{masters}]", f"    acl: [{acl}]"]
    if plan.notified:
        replicas = range(1, len(plan.notified) + 1)
        lines += [f"    notify: [{', '.join(f'replica-{number}' for number in replicas)}]"]
    return [*lines, *_storage(), *_intervals(), *(_signing() if plan.sign else [])]


def _storage() -> list[str]:
    return [
        *comment(
            """\
The journal holds the zone and its latest changes: no zone file is written, which for millions
of names takes long, and replicas get differences (IXFR) even when they were away for a while.""",
            4,
        ),
        "    journal-content: all",
        "    journal-max-usage: 30G",
        "    journal-max-depth: 10000",
        "    zonefile-load: none",
        "    zonefile-sync: -1",
    ]


def _intervals() -> list[str]:
    return [
        *comment(words.REFRESH, 4),
        f"    refresh-min-interval: {MIN_REFRESH}",
        f"    refresh-max-interval: {MAX_REFRESH}",
        f"    retry-min-interval: {MIN_RETRY}",
        f"    retry-max-interval: {MAX_RETRY}",
        *comment(words.EXPIRE, 4),
        f"    expire-min-interval: {MIN_EXPIRE}",
    ]


def _signing() -> list[str]:
    return [
        "    dnssec-signing: on",
        "    dnssec-policy: countersign",
        *comment(DIGEST, 4),
        "    zonemd-generate: zonemd-sha384",
    ]
