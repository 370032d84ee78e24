"""Servers with one fault that no mail program of Debian has, and our own gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from countersign.certification.outcome import Verdict
from countersign.certification.smuggled import PSEUDO_ENDS, PseudoEnd
from tests.certification.greylisting import GreylistingServer
from tests.certification.matrix.place import Place, Running, Start, State
from tests.certification.servers import FaultyServer
from tests.gateway.process import maildir_gateway

TAKES_ALL = {"RCPT": "250 2.1.5 Ok", "rcpt": "250 2.1.5 Ok"}


@asynccontextmanager
async def _responder(
    place: Place, name: str, make: Callable[[str], FaultyServer]
) -> AsyncIterator[Running]:
    host = f"mail.{name}.example"
    async with make(host).running(place.own_directory(host)) as server:
        place.host(name, server.address)
        yield Running(host, server.address, server.port)


def _with(name: str, make: Callable[[str], FaultyServer]) -> Start:
    def start(place: Place) -> AbstractAsyncContextManager[Running]:
        return _responder(place, name, make)

    return start


@asynccontextmanager
async def _gateway(place: Place) -> AsyncIterator[Running]:
    host = place.host("local")
    directory = place.own_directory(host)
    for user in ("postmaster", "abuse"):
        (directory / "local.example" / user).mkdir(parents=True)
    async with maildir_gateway(directory) as gateway:
        place.host("local", gateway.address)
        yield Running(host, gateway.address, gateway.port)


def _smuggled(number: int, end: PseudoEnd) -> State:
    def make(host: str) -> FaultyServer:
        return FaultyServer(host=host, ends=(b"\r\n.\r\n", end.octets))

    return State(
        f"Takes {end.name} for the end",
        _with(f"smuggled-{number}", make),
        FAILED,
        seen="fff",
        failed=frozenset({"smuggling"}),
    )


PASSED, FAILED, NOTHING = Verdict.PASSED, Verdict.FAILED, Verdict.COULD_NOT_TEST
SHORT = {"timeout": 2, "total_timeout": 15}
AGAIN = {"retry_seconds": 1}

STATES = (
    State("Countersign gateway", _gateway, PASSED, battery={"without": ()}),
    State(
        "Liar: 250 to all, discards",
        _with("liar", lambda host: FaultyServer(TAKES_ALL, TAKES_ALL, host=host)),
        NOTHING,
        seen="---",
    ),
    State(
        "Tarpit, an octet a second",
        _with("tarpit", lambda host: FaultyServer(host=host, seconds_per_octet=1)),
        NOTHING,
        seen="---",
        battery=SHORT,
    ),
    State(
        "Silent after the greeting",
        _with("silent", lambda host: FaultyServer({"": ""}, host=host)),
        NOTHING,
        seen="---",
        battery=SHORT,
    ),
    State(
        "Obeys commands injected before TLS",
        _with("injected", lambda host: FaultyServer(host=host, keeps_input=True)),
        FAILED,
        seen="fff",
        failed=frozenset({"starttls-injection"}),
    ),
    State(
        "Answers commands injected before TLS",
        _with("answers", lambda host: FaultyServer(host=host, answers_early=True)),
        FAILED,
        seen="fff",
        failed=frozenset({"starttls-injection"}),
    ),
    State(
        "Keeps what was said before TLS",
        _with("keeps", lambda host: FaultyServer(host=host, takes_any_order=True)),
        FAILED,
        seen="fff",
        failed=frozenset({"starttls-reset"}),
    ),
    State(
        "Closed, greylists",
        _with("grey-closed", lambda host: GreylistingServer(host=host)),
        PASSED,
        battery=AGAIN,
    ),
    State(
        "250 to all, discards, greylists",
        _with("grey-open", lambda host: GreylistingServer(TAKES_ALL, TAKES_ALL, host=host)),
        NOTHING,
        seen="---",
        battery=AGAIN,
    ),
    State(
        "Puts hidden recipients off for ever",
        _with(
            "grey-hidden",
            lambda host: GreylistingServer(host=host, seconds=1e9, ending=f"@{host}>"),
        ),
        NOTHING,
        seen="---",
        battery=AGAIN,
    ),
    *(_smuggled(number, end) for number, end in enumerate(PSEUDO_ENDS)),
    State(
        "Without STARTTLS",
        _with("clear", lambda host: FaultyServer(host=host, clear_keywords=("PIPELINING",))),
        FAILED,
        seen="fff",
        failed=frozenset({"starttls"}),
    ),
)
