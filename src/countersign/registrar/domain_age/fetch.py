"""HTTP to servers that others name: bounded, and never into our own network.

The configured servers are trusted to be where they are. Whatever they redirect to must
resolve to public addresses; the connection goes to the very address that was checked, so
that a second answer of the DNS cannot lead it elsewhere.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from countersign.rules.network import is_callback_target
from countersign.transport.bounded_answer import AnswerTooLongError, read_bounded

MAX_SIZE = 1024 * 1024
"""Octets of an answer's body."""
MAX_URL = 2000
MAX_WAIT = 86400.0
"""Seconds that a Retry-After may ask for; more is taken for so many."""
_MAX_ADDRESSES = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "Accept": "application/rdap+json, application/json;q=0.9",
    # Nothing is unpacked: a small body cannot become a huge one.
    "Accept-Encoding": "identity",
    "User-Agent": "countersign-registrar",
}


class FetchError(Exception):
    """There is no answer; the message says why, without any text of the server."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A server's answer."""

    url: str
    """Where it came from in the end."""
    status: int
    content_type: str
    """In lower case, without parameters."""
    body: bytes
    """Empty for other answers than 200."""
    retry_after: float | None
    """Seconds, where the server asked to wait."""
    is_trusted: bool
    """It came from one of the trusted servers itself, not from where it redirected to."""


class Fetcher:
    """Fetches from trusted servers and from where they redirect to. An async context manager."""

    def __init__(
        self,
        trusted: Sequence[str],
        *,
        networks: Sequence[str],
        redirects: int,
        timeout: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Trust the servers of some URLs to be wherever they are.

        ``networks``: not public, but permitted for all; ``timeout`` in seconds for one answer
        with all its redirects; ``tls``: in place of the usual certificate authorities.
        """
        self._trusted = {_origin(httpx.URL(url)) for url in trusted}
        self._networks = networks
        self._redirects = redirects
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            headers=_HEADERS,
            verify=True if tls is None else tls,
            # A proxy would resolve names for itself, past the check of addresses.
            trust_env=False,
            timeout=timeout,
            # A server may close a kept connection at the moment at which it is used again.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Fetcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, text: str) -> Fetched:
        """Fetch a URL, following redirects. Raises :class:`FetchError`."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(httpx.URL(text))
        except (TimeoutError, httpx.TimeoutException):
            raise FetchError("no answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise FetchError(f"no usable answer ({type(error).__name__})") from None

    async def _follow(self, url: httpx.URL) -> Fetched:
        may_be_clear = url.scheme == "http"
        for _ in range(self._redirects + 1):
            if url.scheme not in (("http", "https") if may_be_clear else ("https",)):
                raise FetchError("led to an address that is not https")
            if not url.host or url.userinfo or len(str(url)) > MAX_URL:
                raise FetchError("led to an address that cannot be used")
            response = await self._open(url)
            try:
                location = response.headers.get("Location")
                if response.status_code not in _REDIRECTS or location is None:
                    return await _read(response, url, is_trusted=_origin(url) in self._trusted)
                url = url.join(location)
            finally:
                await response.aclose()
        raise FetchError("too many redirects")

    async def _open(self, url: httpx.URL) -> httpx.Response:
        if _origin(url) in self._trusted:
            return await self._client.send(self._client.build_request("GET", url), stream=True)
        failure: httpx.TransportError | None = None
        for address in await self._permitted_addresses(url):
            request = self._client.build_request(
                "GET",
                url.copy_with(host=address),
                headers={"Host": url.netloc.decode("ascii")},
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            )
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or FetchError("led to a host that has no public address")

    async def _permitted_addresses(self, url: httpx.URL) -> list[str]:
        port = url.port or (443 if url.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        host = url.raw_host.decode("ascii").strip("[]")
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
        return [
            address
            for address in addresses
            if is_callback_target(address, own_addresses=(), permitted_networks=self._networks)
        ][:_MAX_ADDRESSES]


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port


async def _read(response: httpx.Response, url: httpx.URL, *, is_trusted: bool) -> Fetched:
    body = b""
    if response.status_code == 200:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise FetchError("the answer is packed, which was not asked for")
        try:
            body = await read_bounded(response, MAX_SIZE)
        except AnswerTooLongError:
            raise FetchError("the answer is too big") from None
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Fetched(
        url=str(url),
        status=response.status_code,
        content_type=content_type,
        body=body,
        retry_after=_seconds_to_wait(response.headers.get("Retry-After")),
        is_trusted=is_trusted,
    )


def _seconds_to_wait(text: str | None) -> float | None:
    """Read a Retry-After field: seconds, or a time (RFC 9110 §10.2.3)."""
    if text is None:
        return None
    text = text.strip()[:100]
    if text.isascii() and text.isdecimal():
        # More digits than any sensible wait has are not even converted.
        return min(float(text[:10]), MAX_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), MAX_WAIT)
