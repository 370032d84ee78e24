"""The systemd units that `countersign setup systemd` prints."""

from __future__ import annotations

from enum import StrEnum


class Unit(StrEnum):
    """What a unit runs."""

    GATEWAY = "gateway"
    REPLICA = "replica"
    PROBE = "probe"


def systemd_unit(unit: Unit = Unit.GATEWAY) -> str:
    """Return a unit file."""
    directory = _DIRECTORIES.get(unit, "countersign")
    return _HEADS[unit] + _COMMON.replace("{directory}", directory)


_GATEWAY = """\
[Unit]
Description=Countersign mail gateway
Documentation=file:/usr/share/doc/countersign/README.md
After=network-online.target nss-lookup.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStartPre=/usr/bin/env countersign check config --faults-only /etc/countersign/gateway.toml
ExecStart=/usr/bin/env countersign gateway --config /etc/countersign/gateway.toml
ExecReload=/bin/kill -HUP $MAINPID
# One word to the supervisor: it lets its workers finish their dialogues.
KillMode=mixed
TimeoutStopSec=90
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
# Of the milter's socket, where there is one (countersign setup postfix).
ReadWritePaths=-/run/countersign-milter
"""
_REPLICA = """\
[Unit]
Description=Countersign replica: a copy of the registry for the gateways on this host
Documentation=file:/usr/share/doc/countersign/README.md
After=network-online.target
Wants=network-online.target
Before=countersign-gateway.service

[Service]
Type=exec
ExecStart=/usr/bin/env countersign replica --config /etc/countersign/replica.toml
# A whole zone that has come is put in place first.
TimeoutStopSec=90
# Not given up where an address or the key comes later than the start.
RestartSec=5
CapabilityBoundingSet=
"""
_PROBE = """\
[Unit]
Description=Countersign probe: tests mail servers for a registrar
Documentation=file:/usr/share/doc/countersign/README.md
After=network-online.target nss-lookup.target
Wants=network-online.target

[Service]
Type=exec
ExecStart=/usr/bin/env countersign probe
# Tests that are under way have 30 seconds, and are taken up again at the next start.
TimeoutStopSec=45
# Not given up before it is enrolled, nor where an address comes later than the start.
RestartSec=30
CapabilityBoundingSet=
"""
_HEADS = {Unit.GATEWAY: _GATEWAY, Unit.REPLICA: _REPLICA, Unit.PROBE: _PROBE}
_DIRECTORIES = {Unit.PROBE: "countersign-probe"}
"""Of their states, where it is not `countersign`."""
_COMMON = """\
Restart=on-failure
User=countersign
Group=countersign
StateDirectory={directory}
StateDirectoryMode=0750
ConfigurationDirectory=countersign
LimitNOFILE=65536
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""
