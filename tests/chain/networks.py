"""Two network namespaces on one line that loses packets, at random and both ways."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.chain.places import Namespace

HOME, AWAY = "10.79.0.1", "10.79.0.2"


def skip_without_namespaces() -> None:
    """Skip with the reason; in CI it is a failure."""
    reason = ""
    if os.geteuid() != 0:
        reason = "network namespaces need root"
    elif not (shutil.which("nft") and shutil.which("ip")):
        reason = "nft or ip is not installed (.ci/install-packages)"
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


class Line:
    """A context manager: the line, and a place at each of its ends."""

    def __init__(self) -> None:
        tag = f"cc{os.getpid()}"
        self._names = (f"{tag}h", f"{tag}a")
        self.home: Namespace
        self.away: Namespace

    def __enter__(self) -> Line:
        try:
            self._make()
        except subprocess.CalledProcessError as error:
            self.__exit__()
            pytest.skip(f"the kernel refuses namespaces here: {error.stderr}")
        self.home, self.away = map(Namespace, self._names, (HOME, AWAY))
        return self

    def __exit__(self, *_: object) -> None:
        for place in (getattr(self, "home", None), getattr(self, "away", None)):
            if place is not None:
                place.close()
        for name in self._names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def lose(self, percent: int) -> None:
        """Lose so many of a hundred packets in each direction, whatever they are.

        Where each end takes them off the line: what an end sends to itself is not lost.
        """
        for name in self._names:
            rules = f"""
table inet loss
delete table inet loss
table inet loss {{
  chain lost {{ type filter hook prerouting priority -300;
    iifname "line" numgen random mod 100 < {percent} counter drop; }}
}}"""
            _run("ip", "netns", "exec", name, "nft", "-f", "-", text=rules)

    def lost(self) -> int:
        """How many packets were lost so far."""
        total = 0
        for name in self._names:
            listed = _run("ip", "netns", "exec", name, "nft", "list", "table", "inet", "loss")
            total += int(listed.partition("counter packets ")[2].split()[0])
        return total

    def _make(self) -> None:
        home, away = self._names
        for name in self._names:
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        ends = ("line", "netns", home, "type", "veth", "peer", "line", "netns", away)
        _run("ip", "link", "add", *ends)
        for name, address in zip(self._names, (HOME, AWAY), strict=True):
            _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "line")
            _run("ip", "-n", name, "link", "set", "line", "up")


def _run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, input=text, timeout=60
    )
    return done.stdout
