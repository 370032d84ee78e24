"""NAT with a Trojan behind it, and IPv6: real network namespaces with nftables (DESIGN §3)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.peer, pytest.mark.namespaces]
HELPER = Path(__file__).parent / "in_namespace.py"
PUBLIC, RECEIVER = "198.51.100.1", "203.0.113.2"


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


class Network:
    """sender and trojan -- nat -- receiver; IPv6 goes through without translation."""

    def __init__(self) -> None:
        tag = f"cs{os.getpid()}"
        self.names = {one: f"{tag}{one}" for one in ("snd", "trj", "nat", "rcv")}

    def make(self) -> None:
        for name in self.names.values():
            run("ip", "netns", "add", name)
            self.inside(name, "ip", "link", "set", "lo", "up")
        for number, host in enumerate(("snd", "trj"), 1):
            self._link(host, f"10.77.{number}.2/24", f"10.77.{number}.1/24", number)
        self._link("rcv", f"{RECEIVER}/24", "203.0.113.1/24", 3)
        nat = self.names["nat"]
        self.inside(nat, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.inside(nat, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        self.inside(nat, "ip", "addr", "add", f"{PUBLIC}/32", "dev", "lo")
        self.inside(
            self.names["rcv"], "ip", "route", "replace", f"{PUBLIC}/32", "via", "203.0.113.1"
        )
        rules = f"""
table ip nat {{
  chain out {{ type nat hook postrouting priority 100;
    ip daddr {RECEIVER} snat to {PUBLIC}; }}
  chain in {{ type nat hook prerouting priority -100;
    ip daddr {PUBLIC} tcp dport 25 dnat to 10.77.1.2; }}
}}"""
        subprocess.run(
            ["ip", "netns", "exec", nat, "nft", "-f", "-"], input=rules, text=True, check=True
        )

    def _link(self, host: str, address: str, gateway: str, number: int) -> None:
        name, nat = self.names[host], self.names["nat"]
        inner, outer = f"{name}i"[-15:], f"{name}o"[-15:]
        run("ip", "link", "add", inner, "netns", name, "type", "veth", "peer", outer, "netns", nat)
        for where, device, ip, six in (
            (name, inner, address, f"2001:db8:{number}::2/64"),
            (nat, outer, gateway, f"2001:db8:{number}::1/64"),
        ):
            self.inside(where, "ip", "addr", "add", ip, "dev", device)
            self.inside(where, "ip", "-6", "addr", "add", six, "dev", device, "nodad")
            self.inside(where, "ip", "link", "set", device, "up")
        route = gateway.partition("/")[0]
        self.inside(name, "ip", "route", "add", "default", "via", route)
        self.inside(name, "ip", "-6", "route", "add", "default", "via", f"2001:db8:{number}::1")

    @staticmethod
    def inside(name: str, *command: str) -> str:
        return run("ip", "netns", "exec", name, *command)

    def remove(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.fixture
def network() -> Iterator[Network]:
    reason = ""
    if os.geteuid() != 0:
        reason = "network namespaces need root"
    elif not (shutil.which("nft") and shutil.which("ip")):
        reason = "nft or ip is not installed (.ci/install-packages)"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    made = Network()
    try:
        made.make()
    except subprocess.CalledProcessError as error:
        made.remove()
        pytest.skip(f"the kernel refuses namespaces here: {error.stderr}")
    yield made
    made.remove()


class Peer:
    """A process in a namespace that takes one request a line and gives one answer."""

    def __init__(self, network: Network, host: str, directory: Path, role: str) -> None:
        self._command = ("ip", "netns", "exec", network.names[host], sys.executable)
        self._arguments = (str(HELPER), role, str(directory))
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(HELPER.parent.parent.parent)},
        )
        assert await self.answer() == "ready"

    async def answer(self) -> object:
        assert self._process.stdout is not None
        async with asyncio.timeout(40):
            while True:
                line = await self._process.stdout.readline()
                assert line, "the process in the namespace ended"
                if line.startswith(b"ANSWER "):
                    return json.loads(line[7:])

    async def ask(self, *request: str) -> object:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        return await self.answer()

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()


async def test_nat_with_a_trojan_behind_it_and_ipv6(network: Network, tmp_path: Path) -> None:
    receiver = Peer(network, "rcv", tmp_path, "receiver")
    sender = Peer(network, "snd", tmp_path, "sender")
    trojan = Peer(network, "trj", tmp_path, "trojan")
    await receiver.start()
    await sender.start()
    await trojan.start()
    try:
        assert await sender.ask("send", "v4") == [250, "proven"]
        # The Trojan has the very address of the sender, and not its session ID.
        assert await trojan.ask("claim", RECEIVER) == 554
        assert await receiver.ask("blocks", PUBLIC) == ["mail.sender.example"]
        assert await sender.ask("wait", "")
        assert await sender.ask("send", "v4") == [250, "proven"]
        assert await receiver.ask("blocks", PUBLIC) == []
        assert await sender.ask("send", "v6") == [250, "proven"]
        assert await trojan.ask("claim", "2001:db8:3::2") == 554
        assert await receiver.ask("blocks", "2001:db8:2::/64") == ["mail.sender.example"]
    finally:
        for peer in (sender, trojan, receiver):
            await peer.stop()
