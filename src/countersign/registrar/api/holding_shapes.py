"""Shapes of what a registered server has: privileged users, keys, traps."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import Field

from countersign.registrar.api.shapes import Day, Line, Shape, Wanted, example
from countersign.registrar.operations.server_keys import KeyPurpose

_RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
"""The key of RFC 8463, appendix A.2."""


class NewUser(Wanted):
    """A user who may send to more recipients than others."""

    model_config = example(identifier="17", accepted_on="2026-03-01")

    identifier: Annotated[Line, Field(min_length=1)]
    """Your own name for the user: a number is better than an address."""
    accepted_on: Day
    """When the user accepted the agreement for privileged users."""
    agreement_version: Annotated[Line, Field(max_length=32)] = ""
    """Empty: the present version."""


class UserView(Shape):
    """A privileged user."""

    id: int
    identifier: str
    agreement_version: str
    accepted_on: datetime.date
    registered_at: datetime.datetime
    revoked_at: datetime.datetime | None


class Users(Shape):
    """A page of privileged users, the newest first."""

    items: list[UserView]
    next: str | None


class NewKey(Wanted):
    """A public key of the server."""

    model_config = example(purpose="dkim", selector="s2026", content=_RECORD)

    purpose: KeyPurpose
    content: Annotated[str, Field(min_length=1, max_length=20_000)]
    """DKIM key record (RFC 6376 §3.6.1), or TLSA form '3 1 1 HEX'."""
    selector: Annotated[str, Field(max_length=63)] = ""
    """Of a DKIM key."""


class KeyView(Shape):
    """A public key of the server."""

    id: int
    purpose: KeyPurpose
    selector: str
    content: str
    registered_at: datetime.datetime
    revoked_at: datetime.datetime | None


class Keys(Shape):
    """Keys in use."""

    items: list[KeyView]


class TrapView(Shape):
    """A mailbox that the server keeps for the registrar."""

    id: int
    local_part: str
    allocated_at: datetime.datetime


class Traps(Shape):
    """Traps in use: the gateway accepts mail for them always."""

    items: list[TrapView]
