"""BIND (9.18 or later) as a secondary, signing on the way where asked."""

from __future__ import annotations

from countersign.cli.dns_servers import words
from countersign.cli.dns_servers.plan import (
    MAX_REFRESH,
    MAX_RETRY,
    MIN_REFRESH,
    MIN_RETRY,
    RENEWAL_DAYS,
    SECRET_UNKNOWN,
    SIGNATURE_DAYS,
    ZONE_KEY_DAYS,
    Endpoint,
    Plan,
)
from countersign.cli.dns_servers.words import comment

FILE = "/etc/bind/named.conf"
INCLUDE = "/etc/bind/countersign-keys.conf"
MAX_RATE = 1000
"""Answers a second that BIND takes as a limit."""
NO_DIGEST = """\
BIND makes no digest of the zone (ZONEMD, RFC 8976), and the registrar's does not fit the signed
copy: replicas that check it must follow the primary, a server that does not sign, or a Knot
that signs. BIND also counts its own serials for the signed zone. A change that comes while it signs
the zone for the first time it may fail to publish until the next one: wait until 'rndc signing
-list ZONE' says that it is done before the world is sent here."""


def bind_configuration(plan: Plan) -> str:
    """Return the whole of named.conf. Raises :class:`ValueError` for what BIND cannot do."""
    if plan.user:
        raise ValueError("BIND takes its user from the command line: named -u USER")
    if plan.rate_limit > MAX_RATE:
        raise ValueError(f"BIND takes no --rate-limit above {MAX_RATE}")
    include = plan.include or INCLUDE
    check = f"named-checkconf {FILE} && systemctl restart named"
    parts = [
        words.heading(plan, "BIND", FILE, include, check),
        _options(plan),
        ["# The secrets.", f'include "{include}";'],
        # Else named would take rndc's port on the whole host.
        ["# No rndc, since the directory is a private one.", "controls { };"]
        if plan.directory
        else [],
        _policy(plan) if plan.sign else [],
        *(_zone(plan, zone) for zone in plan.zones),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def bind_keys(plan: Plan) -> str:
    """Return the file that named.conf includes: the keys with their secrets."""
    lines = words.keys_heading(plan)
    known = [(key.name, key.algorithm, key.encoded) for key in plan.keys]
    if plan.key is None:
        known.insert(0, (plan.key_name, "hmac-sha256", SECRET_UNKNOWN))
    for name, algorithm, secret in known:
        lines += [f'key "{name}" {{', f"    algorithm {algorithm};"]
        lines += [f'    secret "{secret}";', "};"]
    return "\n".join(lines) + "\n"


def _options(plan: Plan) -> list[str]:
    lines = ["options {", f'    directory "{plan.directory or "/var/lib/bind"}";']
    if plan.directory:
        lines += [
            f'    pid-file "{plan.directory}/named.pid";',
            f'    session-keyfile "{plan.directory}/session.key";',
        ]
    return [
        *lines,
        *_listen(plan.listen),
        *comment(words.NOT_RECURSIVE, 4),
        "    recursion no;",
        "    allow-query { any; };",
        "    allow-query-cache { none; };",
        "    dnssec-validation no;",
        "    empty-zones-enable no;",
        "    max-cache-size 16M;",
        "    minimal-responses yes;",
        "    minimal-any yes;",
        "    version none;",
        "    hostname none;",
        "    server-id none;",
        "    allow-transfer { none; };",
        "    allow-update { none; };",
        *comment(words.LIMIT, 4),
        f"    rate-limit {{ responses-per-second {plan.rate_limit}; slip 1; }};",
        "    tcp-clients 500;",
        *comment("Replicas are told of a change at once, and not five seconds later.", 4),
        "    notify-delay 0;",
        "    notify-rate 200;",
        "    transfers-out 50;",
        "};",
    ]


def _listen(endpoints: tuple[Endpoint, ...]) -> list[str]:
    lines = []
    for family, is_ipv6 in (("listen-on", False), ("listen-on-v6", True)):
        own = [endpoint for endpoint in endpoints if endpoint.is_ipv6 is is_ipv6]
        lines += [
            f"    {family} port {endpoint.port} {{ {_listened(endpoint)}; }};" for endpoint in own
        ]
        if not own:
            lines += [f"    {family} {{ none; }};"]
    return lines


def _listened(endpoint: Endpoint) -> str:
    return "any" if endpoint.address in ("0.0.0.0", "::") else endpoint.address  # noqa: S104


def _policy(plan: Plan) -> list[str]:
    directory = plan.directory or "/var/lib/bind"
    return [
        *comment(words.SIGNER),
        *comment(words.ROLLOVER),
        "# The DS record for the parent zone, of the key whose record says 257:",
        f"#     dnssec-dsfromkey -2 {directory}/K{plan.zones[0]}.+013+NUMBER.key",
        *comment(NO_DIGEST),
        *comment(words.NSEC),
        'dnssec-policy "countersign" {',
        "    keys {",
        "        ksk lifetime unlimited algorithm ecdsap256sha256;",
        f"        zsk lifetime P{ZONE_KEY_DAYS}D algorithm ecdsap256sha256;",
        "    };",
        f"    signatures-validity P{SIGNATURE_DAYS}D;",
        f"    signatures-validity-dnskey P{SIGNATURE_DAYS}D;",
        f"    signatures-refresh P{RENEWAL_DAYS}D;",
        "};",
    ]


def _zone(plan: Plan, zone: str) -> list[str]:
    key = plan.key_name
    primaries = " ".join(
        f'{endpoint.address} port {endpoint.port} key "{key}";' for endpoint in plan.primaries
    )
    addresses = dict.fromkeys(endpoint.address for endpoint in plan.primaries)
    others = " ".join(f"!{address};" for address in addresses)
    return [
        f'zone "{zone}" {{',
        "    type secondary;",
        f'    file "{zone}.zone";',
        f"    primaries {{ {primaries} }};",
        "    request-ixfr yes;",
        *comment(words.NOTIFY, 4),
        f'    allow-notify {{ !{{ {others} any; }}; key "{key}"; }};',
        *comment(words.REFRESH, 4),
        f"    min-refresh-time {MIN_REFRESH};",
        f"    max-refresh-time {MAX_REFRESH};",
        f"    min-retry-time {MIN_RETRY};",
        f"    max-retry-time {MAX_RETRY};",
        *_replicas(plan),
        *(_signing() if plan.sign else []),
        "};",
    ]


def _replicas(plan: Plan) -> list[str]:
    notified = " ".join(
        f'{replica.endpoint.address} port {replica.endpoint.port} key "{replica.key_name}";'
        for replica in plan.notified
    )
    lines = comment(words.TRANSFER if plan.transfer_keys else words.NO_TRANSFER, 4)
    if plan.transfer_keys:
        allowed = " ".join(f'key "{key.name}";' for key in plan.transfer_keys)
        lines += [f"    allow-transfer {{ {allowed} }};"]
    lines += comment("Not the name servers in the zone's NS records: they follow the primary.", 4)
    lines += ["    notify explicit;"]
    return [*lines, f"    also-notify {{ {notified} }};"] if notified else lines


def _signing() -> list[str]:
    return ['    dnssec-policy "countersign";', "    inline-signing yes;"]
