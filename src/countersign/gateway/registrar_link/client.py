"""The registrar's API, as a gateway asks it (docs/API.md).

    async with RegistrarClient(config.registrar, config.hostname) as registrar:
        key = await registrar.register_key(content, selector)

Every method may raise :class:`RegistrarAwayError` or :class:`RegistrarRefusedError`. Answers are
bounded. Neither the token nor personal data is in an address, a log or an error.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel

from countersign.gateway.registrar_link.answers import (
    KeyList,
    Me,
    OffenderAnswer,
    RegisteredKey,
    RegisteredUser,
    ServerPage,
    UserPage,
)
from countersign.gateway.registrar_link.asking import Asking, read_answer
from countersign.gateway.registrar_link.errors import (
    RegistrarAwayError,
    RegistrarRefusedError,
)
from countersign.gateway.submission.settings import RegistrarLink

_Model = TypeVar("_Model", bound=BaseModel)

_MAX_PAGES: Final = 1000
_PAGE: Final = 200


class RegistrarClient:
    """Asks one registrar about this server. An asynchronous context manager."""

    def __init__(self, settings: RegistrarLink, hostname: str) -> None:
        """hostname: of this server, as it is registered. Raises :class:`NotLinkedError`."""
        self._hostname = hostname
        self._server = settings.server
        self._asking = Asking(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._asking.aclose()

    async def me(self) -> Me:
        """Return what our token may do."""
        return await self._get(Me, "/me")

    async def server(self) -> int:
        """Return this server's number: of the settings, of the token, or found by its name."""
        if not self._server:
            self._server = (await self.me()).server or await self._find_server()
        return self._server

    async def register_user(
        self, identifier: str, accepted_on: str, agreement_version: str, *, key: str
    ) -> RegisteredUser:
        """Register a privileged user. key: by which the registrar does it once."""
        body = {
            "identifier": identifier,
            "accepted_on": accepted_on,
            "agreement_version": agreement_version,
        }
        where = await self._where("privileged-users")
        return await self._change(RegisteredUser, "POST", where, body, key)

    async def revoke_user(self, number: int, *, key: str) -> None:
        """End a user's privilege."""
        await self._asking.send("DELETE", await self._where(f"privileged-users/{number}"), key=key)

    async def find_user(self, identifier: str) -> RegisteredUser | None:
        """Look among the privileged users for an identifier of ours."""
        where = await self._where("privileged-users")
        async for page in self._pages(UserPage, where):
            for user in page.items:
                if user.identifier == identifier:
                    return user
        return None

    async def register_key(
        self, content: str, selector: str, *, purpose: str = "dkim", key: str = ""
    ) -> RegisteredKey:
        """Publish a public key: a DKIM key record, or a TLSA form for the purpose `tls`."""
        body = {"purpose": purpose, "selector": selector, "content": content}
        where = await self._where("keys")
        return await self._change(RegisteredKey, "POST", where, body, key or _new_key())

    async def revoke_key(self, number: int, *, key: str = "") -> None:
        """Take a public key back; number: its `id`."""
        await self._asking.send(
            "DELETE", await self._where(f"keys/{number}"), key=key or _new_key()
        )

    async def keys(self) -> list[RegisteredKey]:
        """Return this server's keys that are in use."""
        return (await self._get(KeyList, await self._where("keys"))).items

    async def ask_offender(self, question: Mapping[str, Any], *, key: str) -> OffenderAnswer:
        """Ask whether somebody is a known offender.

        question: `purpose`, and `numbers` or both `name` and `birth_date` (docs/API.md).
        """
        where = await self._where("offender-queries")
        return await self._change(OffenderAnswer, "POST", where, question, key)

    async def _find_server(self) -> int:
        async for page in self._pages(ServerPage, "/servers"):
            for server in page.items:
                if server.hostname.lower() == self._hostname:
                    return server.id
        raise RegistrarRefusedError(
            f"the registrar knows no server {self._hostname} that this token is for", status=404
        )

    async def _where(self, what: str) -> str:
        return f"/servers/{await self.server()}/{what}"

    async def _pages(self, model: type[_Model], where: str) -> AsyncIterator[_Model]:
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            parameters: dict[str, str | int] = {"limit": _PAGE}
            if cursor:
                parameters["cursor"] = cursor
            page = await self._get(model, where, parameters)
            yield page
            cursor = getattr(page, "next", None)
            if not cursor:
                return
        raise RegistrarAwayError("the registrar's list does not end")

    async def _get(
        self, model: type[_Model], where: str, parameters: Mapping[str, str | int] | None = None
    ) -> _Model:
        return read_answer(model, await self._asking.send("GET", where, parameters=parameters))

    async def _change(
        self, model: type[_Model], method: str, where: str, body: Mapping[str, Any], key: str
    ) -> _Model:
        return read_answer(model, await self._asking.send(method, where, body=body, key=key))


def _new_key() -> str:
    return secrets.token_hex(16)
