"""A private BIND: as a primary from a zone file, as a secondary, and signing on the way."""

from __future__ import annotations

from countersign.registry.transfer.keys import TsigKey
from tests.peers.dns_peer import DnsPeer


class Bind(DnsPeer):
    """One instance."""

    program = "named"

    def command(self) -> list[str]:
        return ["/usr/sbin/named", "-g", "-n", "1", "-c", str(self.configuration_file)]

    def configuration(self) -> str:
        settings = self.settings
        family = "listen-on-v6" if ":" in self.address else "listen-on"
        other = "listen-on" if ":" in self.address else "listen-on-v6"
        keys = "".join(
            f'key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.encoded}"; }};\n'
            for key in settings.keys.values()
        )
        policy = ""
        if settings.sign:
            policy = (
                'dnssec-policy "signing" { keys {\n'
                "    ksk lifetime unlimited algorithm ecdsap256sha256;\n"
                "    zsk lifetime unlimited algorithm ecdsap256sha256;\n"
                "}; };\n"
            )
        return f"""\
options {{
    directory "{self.directory}";
    pid-file "{self.directory}/named.pid";
    session-keyfile "{self.directory}/session.key";
    {family} port {self.port} {{ {self.address}; }};
    {other} {{ none; }};
    recursion no;
    dnssec-validation no;
    empty-zones-enable no;
    allow-transfer {{ none; }};
    notify-delay 0;
    max-cache-size 16M;
}};
controls {{ }};
{keys}{policy}{"".join(self._zone(zone) for zone in settings.zones)}"""

    def _zone(self, zone: str) -> str:
        settings = self.settings
        lines = [f'zone "{zone}" {{', f'    file "{self.zone_file_of(zone)}";']
        if settings.primaries:
            primaries = "".join(
                f" {peer.address} port {peer.port}{_key(peer.key)};" for peer in settings.primaries
            )
            lines += ["    type secondary;", f"    primaries {{{primaries} }};"]
        else:
            lines += ["    type primary;", "    ixfr-from-differences yes;"]
        if settings.transfer_keys:
            allowed = "".join(f' key "{key.name}";' for key in settings.transfer_keys)
            lines += [f"    allow-transfer {{{allowed} }};"]
        notified = "".join(
            f" {peer.address} port {peer.port}{_key(peer.key)};" for peer in settings.notify
        )
        lines += ["    notify explicit;", f"    also-notify {{{notified} }};"]
        if settings.sign:
            lines += ['    dnssec-policy "signing";', "    inline-signing yes;"]
        return "\n".join([*lines, "};", ""])


def _key(key: TsigKey | None) -> str:
    return "" if key is None else f' key "{key.name}"'
