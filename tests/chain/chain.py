"""A registrar, and everybody who follows it, each as a process of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countersign.cli.registry_sources import Sources
from countersign.cli.registry_verify import Finding, verify_all
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.secondary_details import Details
from countersign.registry.lookup import Standing
from countersign.registry.transfer.keys import TsigKey
from countersign.storage.database.replication import SecondaryKind
from tests.chain.data import ZONE, Data
from tests.chain.followers import Follower, Link, NameServer, Replica
from tests.chain.places import Here
from tests.chain.registrar import Registrar
from tests.chain.waiting import PATIENCE, until
from tests.gateway.world import free_port


@dataclass
class Chain:
    """All of it. Followers are started when they are added."""

    directory: Path
    registrar: Registrar
    away: Here
    """Where the followers are."""
    watcher: TsigKey = field(default_factory=lambda: TsigKey.generate(f"watcher.{ZONE}"))
    """With this key each server lets the test transfer the zone."""
    followers: dict[str, Follower] = field(default_factory=dict)

    # -- setting it up -------------------------------------------------------------------------

    def add_server(
        self,
        kind: str,
        *,
        name: str = "",
        source: str = "",
        link: Link | None = None,
        downstream: Sequence[Link] = (),
        wrong_secret: bool = False,
        sign: bool = False,
        clock: str = "",
    ) -> NameServer:
        """Add a secondary of the registrar's; with a link, one of whoever has that downstream."""
        name = name or kind
        if link is None:
            endpoint = f"{self.away.address}:{free_port()}"
            details = Details(notify=[endpoint], ask=endpoint)
            link = Link(endpoint, self.registrar.add(name, details))
        made = NameServer(
            kind,
            self.away,
            link,
            source or self.registrar.endpoint,
            keys=[self.watcher],
            downstream=downstream,
            sign=sign,
            clock=clock,
        )
        self.followers[name] = made
        if wrong_secret:
            made.configure(TsigKey.generate(link.key.name, link.key.algorithm))
        elif made.source == self.registrar.endpoint:
            self.registrar.wait_until_it_knows(link.key)
        made.start()
        return made

    def add_replica(
        self, name: str, *, source: str = "", link: Link | None = None, notified: bool = False
    ) -> Replica:
        """Add a replica, of the registrar's primary or of somebody further down."""
        if link is None:
            endpoint = f"{self.away.address}:{free_port()}"
            details = Details(
                kind=SecondaryKind.REPLICA, notify=[endpoint] if notified else [], ask=""
            )
            link = Link(endpoint, self.registrar.add(name, details))
        made = Replica(
            self.directory / name,
            self.away,
            link,
            source or self.registrar.endpoint,
            notified=notified,
        )
        self.followers[name] = made
        made.start()
        return made

    def close(self) -> None:
        ends = [self.registrar.close, *(one.close for one in self.followers.values())]
        with ThreadPoolExecutor(len(ends)) as threads:
            for ended in [threads.submit(end) for end in ends]:
                ended.result()

    # -- what they say -------------------------------------------------------------------------

    def wait_for(
        self, hostname: str, standing: Standing, *names: str, since: float | None = None
    ) -> dict[str, float]:
        """Wait until followers (all of them, if none is named) say so of a host.

        Returns after how many seconds each of them did.
        """
        began = time.monotonic() if since is None else since
        lags: dict[str, float] = {}
        waiting = dict.fromkeys(names or self.followers)

        def all_say_so() -> bool:
            for name in [one for one in waiting if one not in lags]:
                with contextlib.suppress(OSError):
                    if self.followers[name].standing(hostname) is standing:
                        lags[name] = time.monotonic() - began
            return len(lags) == len(waiting)

        what = f"all of {list(waiting)} say that {hostname} is {standing}"
        until(all_say_so, what, pause=0.01, otherwise=lambda: (lags, self.logs()))
        return lags

    def findings(self, *names: str) -> list[Finding]:
        """Compare database, primary, and followers: what `countersign registry verify` does."""
        sources = Sources(ZONE, self.registrar.office, key=self.watcher)
        where = ["database", "primary"]
        for name in names or self.followers:
            one = self.followers[name]
            where.append(str(one.copy) if isinstance(one, Replica) else one.link.endpoint)
        return self.away.call(verify_all, sources, where, progress=lambda _: None)

    def wait_until_equal(self, *names: str, seconds: float = PATIENCE) -> None:
        """Wait until all followers (or those named) have what the database says, name by name."""
        self.registrar.settled()
        names = names or tuple(self.followers)
        found: list[Finding] = []

        def is_equal() -> bool:
            serial = self.registrar.serial
            for name in names:
                one = self.followers[name]
                # Whoever signs, and whoever follows him, counts serials of his own.
                if one.source == self.registrar.endpoint and not getattr(one, "is_signer", False):
                    if one.serial != serial:
                        return False
                elif one.serial is None:
                    return False
            found[:] = self.findings(*names)
            return all(
                self._is_good(found_one, name)
                for found_one, name in zip(found, ("", "", *names), strict=True)
            )

        until(
            is_equal,
            "all are what the database says",
            seconds=seconds,
            pause=0.1,
            otherwise=lambda: "\n".join([*map(str, found), self.logs()]),
        )

    def transfers(self, name: str) -> list[str]:
        """What the primary has sent to one since the service's start, in order."""
        assert self.registrar.service is not None
        return [
            one["kind"]
            for one in self.registrar.service.log
            if one["event"] == "zone transferred" and one["secondary"] == name
        ]

    def logs(self) -> str:
        parts = [f"-- {name}\n{one.log()}" for name, one in self.followers.items()]
        return "\n".join([*parts, "-- registrar", self.registrar.log()[-6000:]])

    def _is_good(self, found: Finding, name: str) -> bool:
        one = self.followers.get(name)
        if isinstance(one, NameServer) and one.kind == "bind" and one.is_signer:
            # It signs, and cannot make a digest of what it has signed.
            return found.compared == "the same"
        return found.is_good


@contextlib.contextmanager
def chain(
    data: Data,
    directory: Path,
    *,
    home: Here | None = None,
    away: Here | None = None,
    before: Callable[[Office], object] = lambda _: None,
    **primary: Any,
) -> Iterator[Chain]:
    """Start a registrar whom nobody follows yet.

    home, away: where the registrar is, and where its followers; before: is done with its data
    first; primary: settings of its primary.
    """
    registrar = Registrar(data, directory / "registrar", home or Here(), **primary)
    made = Chain(directory, registrar, away or Here())
    try:
        before(registrar.office)
        registrar.start()
        yield made
    finally:
        made.close()
