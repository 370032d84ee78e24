"""The search for a domain's age by RDAP (RFC 9082 questions, RFC 9083 answers, RFC 9224)."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime

from countersign.registrar.config import DomainAge
from countersign.registrar.domain_age.answer import (
    AnswerError,
    OtherNameError,
    RegistryEvent,
    read_domain,
)
from countersign.registrar.domain_age.bounded_json import JsonError, parse_json
from countersign.registrar.domain_age.directory import (
    Directory,
    DirectoryError,
    read_directory,
    servers_for,
)
from countersign.registrar.domain_age.fetch import Fetched, Fetcher, FetchError
from countersign.rules.domain_names import names_to_ask

_DIRECTORY_SECONDS = 86400
_JSON_TYPES = ("application/rdap+json", "application/json", "text/json", "text/plain", "")


@dataclass(frozen=True, slots=True)
class Found:
    """The registry told the date."""

    domain: str
    """The registrable domain that the date is of."""
    registered_on: date
    source: str
    """URL of the answer."""
    events: tuple[RegistryEvent, ...]
    """All events in the answer, as evidence."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """The registry knows no such domain."""

    domain: str
    source: str
    """URL of the answer."""


@dataclass(frozen=True, slots=True)
class CouldNotTell:
    """Nothing is known of the domain's age: neither that it is old nor that it does not exist."""

    reason: str
    retry_after: float | None = None
    """Seconds after which a server asked to be asked again."""


Outcome = Found | NotFound | CouldNotTell


class DomainAgeSearch:
    """Searches for the age of domains; keeps IANA's directory for a day."""

    def __init__(self, settings: DomainAge, *, tls: ssl.SSLContext | None = None) -> None:
        """``tls``: in place of the usual certificate authorities."""
        self._settings = settings
        self._tls = tls
        self._directory: tuple[float, Directory] | None = None

    async def find(self, hostname: str) -> Outcome:
        """Find out since when the domain of a host is registered; never raises for trouble."""
        names = names_to_ask(hostname)
        if not names:
            return CouldNotTell("the host name has no domain that could be registered")
        settings = self._settings
        fetcher = Fetcher(
            [url for url in (*settings.servers, settings.bootstrap) if url],
            networks=settings.networks,
            redirects=settings.redirects,
            timeout=settings.timeout,
            tls=self._tls,
        )
        async with fetcher:
            return await self._search(fetcher, names)

    def find_now(self, hostname: str) -> Outcome:
        """As :meth:`find`, for a thread without an event loop."""
        return asyncio.run(self.find(hostname))

    async def _search(self, fetcher: Fetcher, names: tuple[str, ...]) -> Outcome:
        outcomes: list[Outcome] = []
        for server in self._settings.servers:
            outcome, is_registry = await _ask_server(fetcher, server, names)
            # A 404 of a server that only redirects may mean that it knows no registry to ask.
            if isinstance(outcome, Found) or (isinstance(outcome, NotFound) and is_registry):
                return outcome
            outcomes.append(outcome)
        if self._settings.bootstrap:
            outcome = await self._ask_registry(fetcher, names)
            if not isinstance(outcome, CouldNotTell):
                return outcome
            outcomes = [one for one in outcomes if isinstance(one, CouldNotTell)]
            outcomes.append(outcome)
        return _together(outcomes)

    async def _ask_registry(self, fetcher: Fetcher, names: tuple[str, ...]) -> Outcome:
        """Ask the server that IANA lists for the domain's registry."""
        try:
            servers = servers_for(await self._read_directory(fetcher), names[-1])
        except (FetchError, JsonError, DirectoryError) as error:
            return CouldNotTell(f"the directory of registries: {error}")
        if not servers:
            suffix = names[-1].partition(".")[2]
            return CouldNotTell(f"the registry of .{suffix} offers no RDAP")
        outcomes: list[Outcome] = []
        for server in servers:
            outcome, _ = await _ask_server(fetcher, server, names)
            if not isinstance(outcome, CouldNotTell):
                return outcome
            outcomes.append(outcome)
        return _together(outcomes)

    async def _read_directory(self, fetcher: Fetcher) -> Directory:
        now = time.monotonic()
        if self._directory is not None and now - self._directory[0] < _DIRECTORY_SECONDS:
            return self._directory[1]
        fetched = await fetcher.get(self._settings.bootstrap)
        if fetched.status != 200:
            raise FetchError(f"answered {fetched.status}")
        directory = read_directory(parse_json(fetched.body))
        self._directory = (now, directory)
        return directory


async def _ask_server(
    fetcher: Fetcher, server: str, names: tuple[str, ...]
) -> tuple[Outcome, bool]:
    """Ask one server about each name until one is known.

    The second value tells whether another server answered, to which it redirected: a registry.
    """
    for name in names:
        is_last = name == names[-1]
        url = f"{server.rstrip('/')}/domain/{name}"
        try:
            fetched = await fetcher.get(url)
            if fetched.status == 404 or (not is_last and _is_no_question(fetched)):
                if is_last:
                    return NotFound(name, fetched.url), not fetched.is_trusted
                continue
            return _read(fetched, name), not fetched.is_trusted
        except OtherNameError as error:
            # Some registries answer about the domain that a longer name lies in.
            if is_last:
                return CouldNotTell(f"{server}: {error}"), False
        except (FetchError, JsonError, AnswerError) as error:
            return CouldNotTell(f"{server}: {error}"), False
    raise AssertionError("there is no name to ask about")


def _is_no_question(fetched: Fetched) -> bool:
    """Tell whether a registry says that it has no names of this form."""
    return fetched.status in (400, 422, 501)


def _read(fetched: Fetched, name: str) -> Outcome:
    host = fetched.url.split("/")[2]
    if fetched.status != 200:
        reason = {429: "asked to wait", 503: "is not available"}.get(
            fetched.status, f"answered {fetched.status}"
        )
        return CouldNotTell(f"{host} {reason}", fetched.retry_after)
    if fetched.content_type not in _JSON_TYPES and not fetched.content_type.endswith("+json"):
        raise AnswerError("the answer is not JSON")
    registration = read_domain(parse_json(fetched.body), name, datetime.now(UTC).date())
    return Found(name, registration.registered_on, fetched.url, registration.events)


def _together(outcomes: list[Outcome]) -> Outcome:
    """Return what several servers say together, none of which told the date."""
    failures = [one for one in outcomes if isinstance(one, CouldNotTell)]
    if outcomes and not failures:
        return outcomes[0]
    waits = [one.retry_after for one in failures if one.retry_after is not None]
    reason = "; ".join(dict.fromkeys(one.reason for one in failures))
    return CouldNotTell(reason or "no server is configured", min(waits, default=None))
