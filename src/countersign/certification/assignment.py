"""What a probe is told to do: one host, from where it stands (DESIGN §8). Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from countersign.certification.settings import Battery

_Mailbox = Annotated[str, Field(max_length=320, pattern=r"^[^\x00-\x20<>\x7f]+$")]


class Assignment(BaseModel):
    """One run of the battery against one host."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, Field(max_length=255)]
    mail_domain: Annotated[str, Field(max_length=255)] = ""
    """Domain that the host takes mail for; empty: found by MX records."""
    mark: Annotated[str, Field(pattern=r"^([a-z2-7]{16})?$")] = ""
    """Begins the local part of every test address, so that the test mailbox knows whose it is;
    empty: there is no test mailbox, and no message is sent."""
    control_token: Annotated[str, Field(max_length=64)] = ""
    """What the host's gateway should announce inside TLS; empty: not looked for."""
    traps: Annotated[tuple[_Mailbox, ...], Field(max_length=100)] = ()
    """Mailboxes of the registrar on this host, which must be taken."""
    battery: Battery = Battery()


class Order(BaseModel):
    """An assignment for one probe, signed by the registrar as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[int, Field(ge=1)]
    probe: Annotated[int, Field(ge=1)]
    made_at: AwareDatetime
    ends_at: AwareDatetime
    """A result after this time is not taken: the probe does not begin it either."""
    assignment: Assignment
