"""Requests to the registrar, and what may come back: bounded, and without secrets in errors."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from countersign import __version__
from countersign.gateway.registrar_link.answers import Problem
from countersign.gateway.registrar_link.errors import (
    NotLinkedError,
    RegistrarAwayError,
    RegistrarRefusedError,
)
from countersign.gateway.submission.settings import RegistrarLink
from countersign.transport.bounded_answer import AnswerTooLongError, read_bounded

_Model = TypeVar("_Model", bound=BaseModel)

_PREFIX: Final = "/api/v1"
_MAX_ANSWER: Final = 4 * 1024 * 1024
_MAX_WORDS: Final = 500
_MAX_TOKEN: Final = 4096
_AWAY: Final = frozenset({408, 425, 429})
"""These, and all of 5xx, say that the same may succeed later."""


class Asking:
    """Asks one registrar with one token."""

    def __init__(self, settings: RegistrarLink) -> None:
        """Raise :class:`NotLinkedError` if the settings name no registrar."""
        self._settings = settings
        self._client = httpx.AsyncClient(
            base_url=_checked_url(settings.url) + _PREFIX,
            verify=_tls(settings.ca_file),
            timeout=settings.timeout,
            follow_redirects=False,
            headers={"User-Agent": f"countersign/{__version__}", "Accept-Encoding": "identity"},
            limits=httpx.Limits(max_connections=4),
        )

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def send(
        self,
        method: str,
        where: str,
        *,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str | int] | None = None,
        key: str = "",
    ) -> bytes:
        """Send a request and return the answer's body.

        key: by which the registrar does it once. Raises :class:`RegistrarAwayError` or
        :class:`RegistrarRefusedError`.
        """
        headers = {"Authorization": f"Bearer {_token(self._settings.token_file)}"}
        if key:
            headers["Idempotency-Key"] = key
        request = self._client.build_request(
            method, where, json=body, params=parameters, headers=headers
        )
        try:
            answer = await self._client.send(request, stream=True)
            try:
                octets = await read_bounded(answer, _MAX_ANSWER)
            finally:
                await answer.aclose()
        except AnswerTooLongError as error:
            raise RegistrarAwayError("the registrar's answer is too long") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise RegistrarAwayError(_reason(error)) from error
        status = answer.status_code
        if 200 <= status < 300:
            return octets
        words = _refusal(status, octets)
        if status < 400 or status >= 500 or status in _AWAY:
            raise RegistrarAwayError(words)
        raise RegistrarRefusedError(words, status=status)


def _checked_url(text: str) -> str:
    if not text:
        raise NotLinkedError("no registrar is configured: set registrar.url and token_file")
    try:
        url = httpx.URL(text.rstrip("/"))
    except httpx.InvalidURL:
        raise NotLinkedError("registrar.url is not a web address") from None
    if url.userinfo or url.query or url.fragment or not url.host:
        raise NotLinkedError("registrar.url is written https://registrar.example")
    # A token in clear would be anybody's who listens.
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.host)):
        raise NotLinkedError("registrar.url must begin with https://")
    return str(url)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(file: Path | None) -> str:
    """Return the token; read each time, so that it can be changed while we run."""
    if file is None:
        raise NotLinkedError("no token is configured: set registrar.token_file")
    try:
        with file.open("rb") as stream:
            octets = stream.read(_MAX_TOKEN + 1).strip()
    except OSError as error:
        raise NotLinkedError(f"registrar.token_file: {error.strerror}") from error
    if not 0 < len(octets) <= _MAX_TOKEN or any(not 0x21 <= one <= 0x7E for one in octets):
        raise NotLinkedError("registrar.token_file holds no token")
    return octets.decode("ascii")


def _tls(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca) if ca is not None else None)
    except (OSError, ssl.SSLError) as error:
        raise NotLinkedError(f"registrar.ca_file cannot be used: {error.strerror}") from error


def read_answer(model: type[_Model], octets: bytes) -> _Model:
    """Return an answer as a model. Raises :class:`RegistrarAwayError`: it is none of ours."""
    try:
        return model.model_validate_json(octets)
    except ValidationError:
        # Without its cause, which quotes what was answered.
        raise RegistrarAwayError(
            "the registrar's answer is not of the form that it should be"
        ) from None


def _refusal(status: int, octets: bytes) -> str:
    try:
        detail = Problem.model_validate_json(octets).detail
    except ValidationError:
        detail = ""
    words = "".join(one if one.isprintable() else " " for one in detail[:_MAX_WORDS])
    return words or f"the registrar answers {status}"


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "the registrar cannot be reached in time"
    if isinstance(error, httpx.TimeoutException):
        return "the registrar does not answer in time"
    words = "".join(one if one.isprintable() else " " for one in str(error)[:_MAX_WORDS])
    return f"the registrar cannot be asked: {words}"
