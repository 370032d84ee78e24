"""Who follows the zone: DNS servers as they are printed, and replicas as processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.rcode
from typer.testing import CliRunner

from countersign.cli.main import app
from countersign.registry.copy.errors import NoCopyError
from countersign.registry.copy.meta import CopyMeta
from countersign.registry.copy.store import ZoneCopy
from countersign.registry.copy_lookup import entry_of
from countersign.registry.lookup import Standing
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.zone.names import host_key
from tests.chain.data import ZONE
from tests.chain.places import Here
from tests.gateway.world import free_port
from tests.peers.bind import Bind
from tests.peers.dns_peer import DnsPeer
from tests.peers.knot import Knot
from tests.peers.nsd import Nsd
from tests.registrar.primary.programs import Program

SERVERS: dict[str, type[DnsPeer]] = {"knot": Knot, "nsd": Nsd, "bind": Bind}


@dataclass(frozen=True)
class Link:
    """Someone further down the chain: where it will listen, and its key; made beforehand."""

    endpoint: str
    key: TsigKey

    @classmethod
    def make(cls, name: str, place: Here) -> Link:
        return cls(f"{place.address}:{free_port()}", TsigKey.generate(f"{name}.{ZONE}"))


class NameServer:
    """A DNS server with the configuration that `countersign setup` prints."""

    def __init__(
        self,
        kind: str,
        place: Here,
        link: Link,
        source: str,
        *,
        keys: Sequence[TsigKey] = (),
        downstream: Sequence[Link] = (),
        sign: bool = False,
        clock: str = "",
    ) -> None:
        """source: whom it transfers from; keys: who may transfer from it, beside downstream."""
        self.kind, self.link, self.source = kind, link, source
        self.is_signer = sign
        self._place = place
        self._allowed = [*keys, *(one.key for one in downstream)]
        self._downstream = downstream
        self.peer = SERVERS[kind](ZONE, listen=link.endpoint, clock=clock)
        self.configure(link.key)

    def configure(self, key: TsigKey) -> None:
        """Write its configuration for a key towards its source; it is read at its next start."""
        directory = self.peer.directory
        include = directory / "keys.conf"
        arguments = ["setup", self.kind, "--zone", ZONE, "--primary", self.source]
        arguments += ["--key-file", self._saved(key), "--include", str(include)]
        arguments += ["--listen", self.link.endpoint, "--directory", str(directory)]
        arguments += ["--rate-limit", "1000", *(["--sign"] if self.is_signer else [])]
        arguments += [] if self.kind == "bind" else ["--user", "root"]
        for one in self._allowed:
            arguments += ["--allow-transfer-key", self._saved(one)]
        for link in self._downstream:
            arguments += ["--notify", f"{link.endpoint},{link.key.name}"]
        include.write_text(_printed(*arguments, "--keys-only"))
        self.peer.configuration_text = _printed(*arguments)

    def _saved(self, key: TsigKey) -> str:
        path = self.peer.directory / f"{key.name}.key"
        path.write_text(key.to_text())
        path.chmod(0o600)
        return str(path)

    # -- its life ------------------------------------------------------------------------------

    def start(self) -> None:
        self._place.call(self.peer.start)

    def stop(self) -> None:
        self.peer.stop()

    def close(self) -> None:
        self.peer.__exit__()

    def log(self) -> str:
        return f"{self.kind}:\n{self.peer.log()[-4000:]}"

    # -- what it says --------------------------------------------------------------------------

    @property
    def serial(self) -> int | None:
        return self._place.call(self.peer.serial)

    def standing(self, hostname: str) -> Standing | None:
        """How a host stands there; None: it does not say."""
        return self._place.call(_standing, self.peer.ask, f"{hostname}.{ZONE}")


class Replica:
    """`countersign replica` as a process."""

    def __init__(
        self, directory: Path, place: Here, link: Link, source: str, *, notified: bool = False
    ) -> None:
        directory.mkdir()
        self.directory = directory
        self.source = source
        self._place = place
        self._file = directory / "replica.toml"
        key_file = directory / "key"
        key_file.write_text(link.key.to_text())
        key_file.chmod(0o600)
        self._file.write_text(
            f'zone = "{ZONE}"\nstate_directory = "{directory}"\n'
            f'[replica]\nprimaries = ["{source}"]\nkey_file = "{key_file}"\n'
            + (f'notify_listen = ["{link.endpoint}"]\n' if notified else "")
        )
        self._program: Program | None = None

    @property
    def copy(self) -> Path:
        return self.directory / "replica"

    def start(self) -> None:
        command = ("replica", "--config", str(self._file))
        self._program = self._place.call(Program, *command)

    def stop(self) -> None:
        if self._program is not None:
            self._program.process.send_signal(signal.SIGTERM)
            self._program.process.wait(60)
        self._program = None

    def close(self) -> None:
        self.stop()

    def log(self) -> str:
        return "" if self._program is None else f"replica:\n{self._program.text[-4000:]}"

    def count(self, event: str) -> int:
        """How often something was logged since the start."""
        assert self._program is not None
        return sum(one["event"] == event for one in self._program.log)

    def meta(self) -> CopyMeta | None:
        try:
            with ZoneCopy.open(self.copy, writable=False) as copy:
                return copy.meta()
        except NoCopyError:
            return None

    @property
    def serial(self) -> int | None:
        meta = self.meta()
        return None if meta is None else meta.serial

    def standing(self, hostname: str) -> Standing | None:
        """How a host stands in the copy; None: there is none."""
        try:
            with ZoneCopy.open(self.copy, writable=False) as copy:
                return entry_of(hostname, copy.reader().get(host_key(hostname))).standing
        except NoCopyError:
            return None


Follower = NameServer | Replica


def _printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return str(result.output)


def _standing(ask: Callable[..., dns.message.Message], name: str) -> Standing | None:
    answer = ask(name, "A")
    if answer.rcode() == dns.rcode.NXDOMAIN:
        return Standing.ABSENT
    if answer.rcode() != dns.rcode.NOERROR:
        return None
    if answer.answer:
        return Standing.REGISTERED
    return Standing.SUSPENDED if ask(name, "TXT").answer else Standing.ABSENT
