"""Settings of a replica, and the configuration of a replica that runs by itself (DESIGN §7)."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from countersign.settings.values import Endpoint, Hostname, Log, Metrics, Seconds, Section

SHRINK_UNCHECKED = 100
"""A zone of fewer records may shrink by any share: its last servers may leave."""


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Return address and port of ADDRESS:PORT or [IPV6]:PORT."""
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def _with_an_address(endpoint: str) -> str:
    if endpoint.startswith("unix:"):
        raise ValueError("name servers have no unix sockets: write ADDRESS:PORT")
    try:
        ip_address(split_endpoint(endpoint)[0])
    except ValueError:
        raise ValueError("write an address, not a name: ADDRESS:PORT or [IPV6]:PORT") from None
    return endpoint


def _an_address(text: str) -> str:
    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        raise ValueError("this is no IP address") from None


ServerEndpoint = Annotated[Endpoint, AfterValidator(_with_an_address)]


class ReplicaSettings(Section):
    """The local copy of the registry's zone: where it comes from, and what is demanded of it."""

    directory: Path | None = None
    """Where the copy is kept; default: `replica` in the state directory."""
    primaries: tuple[ServerEndpoint, ...] = ()
    """Name servers to transfer the zone from, ADDRESS:PORT: the best first. None: nothing is \
transferred, and look-ups use a copy that is there already, or the DNS."""
    key_file: Path | None = None
    """File with the TSIG key that the registrar issued for this replica; needed for `primaries`."""
    source_address: Annotated[str, AfterValidator(_an_address)] = ""
    """Local address to ask and transfer from; default: the system's choice."""
    notify_listen: tuple[ServerEndpoint, ...] = ()
    """Addresses on which NOTIFY is taken (UDP and TCP), from the addresses of `primaries` with \
our TSIG key only. A replica that polls each second hardly needs it."""
    poll_seconds: Seconds = 1
    """Seconds between two questions for the zone's serial."""
    survey_seconds: Seconds = 10
    """Seconds between two rounds in which all primaries are asked, not just the last good one."""
    question_timeout: Seconds = 2
    """Seconds to wait for the answer to a question for the serial."""
    retry_seconds: Seconds = 1
    """Seconds after which a primary that failed is tried again; twice as long each time."""
    retry_max_seconds: Seconds = 10
    """The longest such wait."""
    refused_seconds: Seconds = 5
    """Seconds after which a transfer is tried again whose content was refused; twice as long \
each time."""
    refused_max_seconds: Seconds = 900
    """The longest such wait."""
    idle_timeout: Seconds = 30
    """Seconds to wait for the next octets of a transfer."""
    minimum_rate: Annotated[int, Field(ge=0)] = 1000
    """Octets a second that a primary must send on average over a transfer, from `idle_timeout` \
on; 0: no limit."""
    transfer_timeout: Seconds = 7200
    """Seconds that a whole transfer may take."""
    max_records: Annotated[int, Field(ge=1)] = 200_000_000
    """Records that the zone may have."""
    max_octets: Annotated[int, Field(ge=65536)] = 64 * 1024**3
    """Octets that a transfer may have."""
    max_shrink: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the most records that it had in the last 24 hours, which the zone may lose; more \
needs an operator's word: `countersign replica accept-shrink`. Zones of fewer than 100 records are \
not held to it."""
    require_digest: bool = True
    """Whether a zone is refused that carries no digest of itself (ZONEMD, RFC 8976)."""
    full_check_seconds: Seconds = 3600
    """Seconds between two checks of the whole copy against its digests."""
    max_age_seconds: Seconds = 86400
    """Seconds since a primary last confirmed the copy, after which it is stale: look-ups then \
ask the DNS first."""
    on_stale: Literal["defer", "soft", "accept"] = "soft"
    """What counts when the copy is stale and the DNS does not answer either. `defer`: nothing, \
mail is put off; `soft`: the copy, but its entries are marked as stale; `accept`: the copy."""

    @model_validator(mode="after")
    def _key_for_primaries(self) -> ReplicaSettings:
        if self.primaries and self.key_file is None:
            raise ValueError("key_file must be given with primaries: they demand a TSIG key")
        return self

    def directory_in(self, state_directory: Path) -> Path:
        """Return where the copy is kept."""
        return self.directory or state_directory / "replica"


class ReplicaConfig(Section):
    """The whole configuration of `countersign replica` where it runs without a gateway's."""

    zone: Annotated[Hostname, Field(examples=["registry.example"])]
    """The registry's zone."""
    state_directory: Path = Path("/var/lib/countersign")
    """Where the copy is kept."""
    replica: ReplicaSettings = ReplicaSettings()
    metrics: Metrics = Metrics()
    log: Log = Log()

    @property
    def directory(self) -> Path:
        """Where the copy is kept."""
        return self.replica.directory_in(self.state_directory)
