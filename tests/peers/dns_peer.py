"""What the DNS servers of the tests have in common: start, readiness, stop, kill, questions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Self

import dns.exception
import dns.message
import dns.zone
import pytest

from countersign.registry.transfer.keys import TsigKey
from tests.gateway.world import free_port
from tests.peers import dns_questions
from tests.peers.dns_settings import Peer, Settings

__all__ = ["DnsPeer", "Peer", "Settings", "skip_without"]

SECONDS = 30.0


def skip_without(*programs: str) -> None:
    """Skip with the reason; in CI a missing program is a failure."""
    # Debian keeps daemons where an ordinary user's PATH does not look.
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    if not missing:
        return
    reason = f"{', '.join(missing)} not installed (.ci/install-packages)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class DnsPeer(ABC):
    """One instance; a context manager. Its directory lives until the context ends."""

    program: ClassVar[str]

    def __init__(
        self,
        *zones: str,
        primaries: Sequence[Peer] = (),
        listen: str = "",
        transfer_keys: Sequence[TsigKey] = (),
        notify: Sequence[Peer] = (),
        sign: bool = False,
        zone_text: str = "",
        configuration: str = "",
        clock: str = "",
    ) -> None:
        """``listen``: ADDRESS:PORT, else a free port of 127.0.0.1.

        ``zone_text``: the zone file of a primary. ``configuration``: the whole text, in place of
        the one made here; ``{directory}`` and ``{listen}`` are not replaced in it. ``clock``: how
        wrong the clock is, for faketime: "+600s" (not with BIND, whose allocator breaks it).
        """
        self.settings = Settings(zones, tuple(primaries), tuple(transfer_keys), tuple(notify), sign)
        self.listen = listen or f"127.0.0.1:{free_port()}"
        self.directory = Path(tempfile.mkdtemp(prefix=f"countersign-{self.program}-"))
        self.clock = clock
        self.configuration_text = configuration
        self._process: subprocess.Popen[bytes] | None = None
        if zone_text:
            self.zone_file.write_text(zone_text)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    # What differs between the programs.

    @abstractmethod
    def configuration(self) -> str:
        """The text of the configuration file."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command that runs the server in the foreground, its log on standard error."""

    def is_settled(self) -> bool:
        """Whether what it answered last is what it will answer next."""
        return True

    @property
    def zone(self) -> str:
        return self.settings.zones[0]

    @property
    def zone_file(self) -> Path:
        return self.zone_file_of(self.zone)

    def zone_file_of(self, zone: str) -> Path:
        return self.directory / f"{zone}.zone"

    @property
    def configuration_file(self) -> Path:
        return self.directory / f"{self.program}.conf"

    @property
    def address(self) -> str:
        return dns_questions.split(self.listen)[0]

    @property
    def port(self) -> int:
        return dns_questions.split(self.listen)[1]

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    # Its life.

    def start(self) -> None:
        """Start, or start again with the same directory; return when it answers."""
        assert self._process is None, "it runs already"
        self.configuration_file.write_text(self.configuration_text or self.configuration())
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={**os.environ, **self._clock_environment()},
                start_new_session=True,
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End it as a service manager does."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            self._wait_for_children()

    def kill(self) -> None:
        """End it and its children at once, as a crash would: kill -9."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            # A session of its own was made for it at the start, so this is no group of ours.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._wait_for_children()

    def log(self) -> str:
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    # Questions.

    def ask(
        self,
        name: str,
        kind: str = "A",
        *,
        tcp: bool = False,
        dnssec: bool = False,
        key: TsigKey | None = None,
    ) -> dns.message.Message:
        return dns_questions.ask(self.listen, name, kind, tcp=tcp, dnssec=dnssec, key=key)

    def serial(self, zone: str = "") -> int | None:
        """The serial it answers with; None where it has no copy of the zone."""
        return dns_questions.soa_serial(self.listen, zone or self.zone)

    def transfer(self, key: TsigKey | None = None, zone: str = "") -> dns.zone.Zone:
        """The zone by AXFR, signed with ``key``."""
        return dns_questions.transfer(self.listen, zone or self.zone, key)

    async def wait_until(self, holds: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Wait until ``holds`` says so; it is called in a thread, so that it may ask.

        An error of the DNS is no yes: it is called again.
        """

        def holds_by_now() -> bool:
            try:
                return holds() and self.is_settled()
            except (dns.exception.DNSException, OSError):
                return False

        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(holds_by_now):
            if time.monotonic() > deadline:
                pytest.fail(f"{self.program} did not come to it:\n{self.log()}")
            await asyncio.sleep(0.01)

    async def wait_for_serial(
        self, least: int = 1, zone: str = "", seconds: float = SECONDS
    ) -> int:
        """Wait until its serial is ``least`` or later; the event loop goes on meanwhile.

        A BIND that signs counts its own serials, which tell nothing of the primary's.
        """
        deadline = time.monotonic() + seconds
        while True:
            serial = await asyncio.to_thread(self.serial, zone)
            is_enough = serial is not None and (serial - least) % 2**32 < 2**31
            if serial is not None and is_enough and self.is_settled():
                return serial
            if time.monotonic() > deadline:
                pytest.fail(f"{self.program} has serial {serial}, not {least}:\n{self.log()}")
            await asyncio.sleep(0.01)

    async def wait_for_log(self, text: str, seconds: float = SECONDS) -> str:
        deadline = time.monotonic() + seconds
        while text not in (log := self.log()):
            if time.monotonic() > deadline:
                pytest.fail(f"{text!r} is not in the log:\n{log}")
            await asyncio.sleep(0.01)
        return log

    # Within.

    @property
    def _log_file(self) -> Path:
        return self.directory / "log"

    def _clock_environment(self) -> dict[str, str]:
        if not self.clock:
            return {}
        [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME": self.clock,
            # Timers run on the monotonic clock, which nobody sets wrong.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def _probe(self) -> None:
        """Any answer will do: a secondary has no zone yet."""
        dns_questions.ask(self.listen, "ready.invalid", tcp=True, seconds=1)

    def _wait_for_children(self) -> None:
        """They hold the socket until they are gone too."""
        assert self._process is not None
        deadline = time.monotonic() + SECONDS
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(self._process.pid, 0)
                time.sleep(0.01)
        self._process = None

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            assert self._process is not None
            if self._process.poll() is not None:
                self._process = None
                raise AssertionError(f"{self.program} ended at its start:\n{self.log()}")
            try:
                self._probe()
            except (dns.exception.DNSException, OSError):
                if time.monotonic() > deadline:
                    self.kill()
                    raise AssertionError(f"{self.program} did not start:\n{self.log()}") from None
                time.sleep(0.02)
            else:
                return
