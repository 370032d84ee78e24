"""The registrar by HTTP, as a probe asks it (httpx). All answers are bounded."""

from __future__ import annotations

import datetime
import email.utils
import json
import ssl
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ValidationError

from countersign import __version__
from countersign.certification.authorization import MAX_SKEW, authorize
from countersign.certification.exchange import (
    ENROLMENTS,
    LONGEST_WAIT,
    ORDERS,
    Enrolled,
    Enrolment,
    OrdersWanted,
    SignedOrder,
    result_path,
)
from countersign.certification.outcome import printable
from countersign.probe.errors import ProbeError
from countersign.transport.bounded_answer import AnswerTooLongError, read_bounded

_Model = TypeVar("_Model", bound=BaseModel)

_MAX_ANSWER = 512 * 1024
_MAX_WORDS = 500
_TIMEOUT = httpx.Timeout(connect=15, read=LONGEST_WAIT + 35, write=60, pool=60)
_TEMPORARY = frozenset({401, 408, 409, 425, 429, 500, 502, 503, 504})
"""401 among them: a clock may be set right, and a registrar restored. 409: two changes met."""


class RegistrarError(Exception):
    """The registrar could not be asked, or refused; the message says why."""

    def __init__(self, text: str, *, status: int = 0) -> None:
        super().__init__(text)
        self.status = status
        """Of its answer; 0: there was none, or none that makes sense."""

    @property
    def is_temporary(self) -> bool:
        """Whether the same may succeed later."""
        return self.status == 0 or self.status in _TEMPORARY


class RegistrarClient:
    """Asks one registrar. A context manager."""

    def __init__(
        self,
        url: str,
        ca: Path | None = None,
        *,
        probe: int = 0,
        key: Ed25519PrivateKey | None = None,
    ) -> None:
        """``probe`` and ``key``: by which requests are signed. Raises :class:`ProbeError`."""
        self._url = url
        self._probe = probe
        self._key = key
        self._client = httpx.AsyncClient(
            verify=_tls(ca),
            timeout=_TIMEOUT,
            follow_redirects=False,
            headers={
                "User-Agent": f"countersign-probe/{__version__}",
                "Accept-Encoding": "identity",
            },
            # A poll that waits, and results beside it.
            limits=httpx.Limits(max_connections=10, max_keepalive_connections=5),
        )
        self.skew = 0.0
        """Seconds by which the registrar's clock was ahead of this one at its last answer."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def enrol(self, asked: Enrolment) -> Enrolled:
        """Make a probe known. Raises :class:`RegistrarError`."""
        answer = await self._post(ENROLMENTS, asked.model_dump_json().encode(), signed=False)
        return _read(Enrolled, answer)

    async def next_order(self, wait: float, held: tuple[int, ...]) -> SignedOrder | None:
        """Return an order; None: there was none within ``wait`` seconds.

        held: the numbers of the orders that came before and are not done with. Raises
        :class:`RegistrarError`.
        """
        asked = OrdersWanted(version=__version__, wait=wait, held=held)
        answer = await self._post(ORDERS, asked.model_dump_json().encode())
        return _read(SignedOrder, answer) if answer else None

    async def post_result(self, order: int, result: bytes) -> None:
        """Deliver a result, which is JSON. Raises :class:`RegistrarError`."""
        await self._post(result_path(order), result)

    async def _post(self, path: str, body: bytes, *, signed: bool = True) -> bytes:
        """Post JSON, and return the answer's body; empty: 204."""
        headers = {"Content-Type": "application/json"}
        if signed:
            assert self._key is not None
            now = datetime.datetime.now(datetime.UTC)
            authorization = authorize(self._key, self._probe, "POST", path, body=body, now=now)
            headers["Authorization"] = str(authorization)
        try:
            async with self._client.stream(
                "POST", self._url + path, content=body, headers=headers
            ) as answer:
                self._note_time(answer)
                octets = await read_bounded(answer, _MAX_ANSWER)
        except AnswerTooLongError as error:
            raise RegistrarError("the registrar's answer is too long") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise RegistrarError(_reason(error)) from error
        if answer.status_code == 204:
            return b""
        if answer.status_code in (200, 201):
            return octets
        raise RegistrarError(self._refusal(answer.status_code, octets), status=answer.status_code)

    def _note_time(self, answer: httpx.Response) -> None:
        try:
            there = email.utils.parsedate_to_datetime(answer.headers["Date"])
            if there.tzinfo is not None:
                now = datetime.datetime.now(datetime.UTC)
                self.skew = (there - now).total_seconds()
        except (KeyError, ValueError, TypeError, OverflowError):
            # Without a date nothing is known of the time there.
            return

    def _refusal(self, status: int, octets: bytes) -> str:
        words = f"the registrar answers {status}"
        try:
            told = json.loads(octets)
            detail = told.get("detail", "") if isinstance(told, dict) else ""
        except (ValueError, RecursionError):
            detail = ""
        if isinstance(detail, str) and detail:
            words += f": {printable(detail[:_MAX_WORDS])}"
        if status == 401 and abs(self.skew) > MAX_SKEW.total_seconds() / 2:
            words += f" ({skew_words(self.skew)})"
        return words


def skew_words(skew: float) -> str:
    """Return what to say of clocks that differ; skew: seconds that the registrar's is ahead."""
    direction = "behind" if skew > 0 else "ahead of"
    return (
        f"the clock of this machine is {abs(skew):.0f} s {direction} the registrar's: set it right"
    )


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca) if ca is not None else None)
    except (OSError, ssl.SSLError) as error:
        raise ProbeError(f"ca: {ca} cannot be used: {error.strerror or error}") from error


def _read(model: type[_Model], octets: bytes) -> _Model:
    try:
        return model.model_validate_json(octets)
    except ValidationError as error:
        raise RegistrarError("the registrar's answer is not of the form that it should be") from (
            error
        )


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "the registrar cannot be reached in time"
    if isinstance(error, httpx.TimeoutException):
        return "the registrar does not answer in time"
    return f"the registrar cannot be asked: {printable(str(error)[:_MAX_WORDS])}"
