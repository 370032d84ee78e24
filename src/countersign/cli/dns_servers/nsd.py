"""NSD (4.6 or later) as a secondary. It does not sign; it passes signed zones on."""

from __future__ import annotations

from countersign.cli.dns_servers import words
from countersign.cli.dns_servers.plan import (
    MAX_REFRESH,
    MAX_RETRY,
    MIN_EXPIRE,
    MIN_REFRESH,
    MIN_RETRY,
    SECRET_UNKNOWN,
    Plan,
)
from countersign.cli.dns_servers.words import comment

FILE = "/etc/nsd/nsd.conf"
INCLUDE = "/etc/nsd/countersign-keys.conf"


def nsd_configuration(plan: Plan) -> str:
    """Return the whole of nsd.conf. Raises :class:`ValueError` where it is to sign."""
    if plan.sign:
        raise ValueError("NSD does not sign: let Knot or BIND sign, and NSD follow that server")
    include = plan.include or INCLUDE
    check = f"nsd-checkconf {FILE} && systemctl restart nsd"
    parts = [
        words.heading(plan, "NSD", FILE, include, check),
        _server(plan),
        _control(plan),
        ["# The secrets.", f'include: "{include}"'],
        _pattern(plan),
        *([f"zone:\n    name: {zone}\n    include-pattern: countersign"] for zone in plan.zones),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def nsd_keys(plan: Plan) -> str:
    """Return the file that nsd.conf includes: the keys with their secrets."""
    lines = words.keys_heading(plan)
    if plan.key is None:
        lines += ["key:", f'    name: "{plan.key_name}"', "    algorithm: hmac-sha256"]
        lines += [f'    secret: "{SECRET_UNKNOWN}"']
    for key in plan.keys:
        lines += ["key:", f'    name: "{key.name}"', f"    algorithm: {key.algorithm}"]
        lines += [f'    secret: "{key.encoded}"']
    return "\n".join(lines) + "\n"


def _server(plan: Plan) -> list[str]:
    state = plan.directory or "/var/lib/nsd"
    running = plan.directory or "/run/nsd"
    return [
        *comment(words.NOT_RECURSIVE),
        "server:",
        *comment("Name each address where there are several: NSD answers from the first.", 4),
        *(f"    ip-address: {endpoint.with_at}" for endpoint in plan.listen),
        f'    username: "{plan.user or "nsd"}"',
        f'    zonesdir: "{state}"',
        f'    xfrdfile: "{state}/xfrd.state"',
        f'    zonelistfile: "{state}/zone.list"',
        f'    cookie-secret-file: "{state}/cookiesecrets.txt"',
        f'    pidfile: "{running}/nsd.pid"',
        *([f'    xfrdir: "{plan.directory}"'] if plan.directory else []),
        *comment("Zones in memory, and written to zone files: no third copy beside them.", 4),
        '    database: ""',
        *comment("What is not written yet at a crash is transferred again.", 4),
        "    zonefiles-write: 600",
        *comment("A change is served within a second after it came; bursts are taken together.", 4),
        "    xfrd-reload-timeout: 1",
        "    hide-version: yes",
        "    hide-identity: yes",
        "    minimal-responses: yes",
        "    refuse-any: yes",
        *comment(words.LIMIT, 4),
        f"    rrl-ratelimit: {plan.rate_limit}",
        "    rrl-slip: 1",
        *comment(words.COOKIES, 4),
        "    answer-cookie: yes",
        "    tcp-count: 500",
        "    tcp-timeout: 30",
    ]


def _control(plan: Plan) -> list[str]:
    return [
        "# nsd-control, over a socket of this host.",
        "remote-control:",
        "    control-enable: yes",
        f'    control-interface: "{plan.directory or "/run/nsd"}/nsd.ctl"',
    ]


def _pattern(plan: Plan) -> list[str]:
    lines = ["pattern:", '    name: "countersign"', '    zonefile: "%s.zone"']
    lines += comment("IXFR, or AXFR where the primary has no difference for us. " + words.NOTIFY, 4)
    for endpoint in plan.primaries:
        lines += [f"    request-xfr: {endpoint.with_at} {plan.key_name}"]
    for address in dict.fromkeys(endpoint.address for endpoint in plan.primaries):
        lines += [f"    allow-notify: {address} {plan.key_name}"]
    return [*lines, *_intervals(), *_replicas(plan)]


def _intervals() -> list[str]:
    return [
        *comment(words.REFRESH, 4),
        f"    min-refresh-time: {MIN_REFRESH}",
        f"    max-refresh-time: {MAX_REFRESH}",
        f"    min-retry-time: {MIN_RETRY}",
        f"    max-retry-time: {MAX_RETRY}",
        *comment(words.EXPIRE, 4),
        f"    min-expire-time: {MIN_EXPIRE}",
    ]


def _replicas(plan: Plan) -> list[str]:
    if not plan.transfer_keys:
        return comment(words.NO_TRANSFER, 4)
    lines = comment(words.TRANSFER, 4)
    for key in plan.transfer_keys:
        lines += [f"    provide-xfr: 0.0.0.0/0 {key.name}", f"    provide-xfr: ::0/0 {key.name}"]
    lines += [
        f"    notify: {replica.endpoint.with_at} {replica.key_name}" for replica in plan.notified
    ]
    return [
        *lines,
        *comment("Differences are kept, so that a replica need not copy the whole zone again.", 4),
        "    store-ixfr: yes",
        "    ixfr-number: 200",
        "    ixfr-size: 50000000",
    ]
