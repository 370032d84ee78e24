"""DNS questions whose answers must be authenticated: for the registry's zone (DESIGN §7)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from enum import StrEnum

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
from dns.rdatatype import RdataType

from countersign.registry.dns_client import CachingClient, DnsClient
from countersign.registry.dns_exchange import DnsExchange
from countersign.registry.dns_records import (
    NotAuthenticError,
    Records,
    ResolutionFailedError,
    read_records,
)
from countersign.registry.dnssec.anchors import parse_anchors
from countersign.registry.dnssec.validator import ZoneValidator


class DnsSecurity(StrEnum):
    """What makes a DNS answer believable."""

    NONE = "none"
    """Nothing: any resolver's word is taken."""
    AD = "ad"
    """A validating resolver's word, which is the AD flag (RFC 6840 §5.8)."""
    VALIDATE = "validate"
    """Our own validation, from a trust anchor of the zone."""


def open_dns_client(
    security: DnsSecurity,
    nameservers: Sequence[str],
    *,
    timeout: float,
    lifetime: float,
    zone: str = "",
    trust_anchors: Sequence[str] = (),
) -> CachingClient:
    """Return a client for a zone's look-ups.

    ``nameservers``: ADDRESS:PORT or [IPV6]:PORT; none: those of /etc/resolv.conf. ``timeout``
    for one server, ``lifetime`` for a whole question, in seconds. ``zone`` and ``trust_anchors``
    (DS or DNSKEY records as in a zone file) serve "validate" only. Raises :class:`ValueError`,
    of which :class:`~countersign.registry.dnssec.anchors.AnchorError` is one.
    """
    match security:
        case DnsSecurity.NONE:
            return DnsClient(nameservers, timeout=timeout, lifetime=lifetime)
        case DnsSecurity.AD:
            return TrustedResolverClient(nameservers, timeout=timeout, lifetime=lifetime)
        case DnsSecurity.VALIDATE:
            return ValidatingClient(
                nameservers,
                timeout=timeout,
                lifetime=lifetime,
                zone=zone,
                trust_anchors=trust_anchors,
            )


class SecureDnsClient(CachingClient):
    """Gives proven answers, or raises :class:`NotAuthenticError`."""

    async def _ask(self, name: str, kind: str) -> Records:
        try:
            return await self._ask_securely(
                dns.name.from_text(f"{name}."), dns.rdatatype.from_text(kind)
            )
        except (dns.exception.DNSException, UnicodeError) as error:
            raise ResolutionFailedError(f"{kind} of a name: {type(error).__name__}") from error

    @abstractmethod
    async def _ask_securely(self, name: dns.name.Name, kind: RdataType) -> Records:
        """Ask over the network. Raises :class:`ResolutionFailedError`."""


class TrustedResolverClient(SecureDnsClient):
    """Believes what validating resolvers have marked as authentic (AD).

    The flag is worth as much as the path it comes by: anybody on the path can set it. The
    resolvers must be trusted and reached over a trusted path, best at a loopback address.
    """

    def __init__(self, nameservers: Sequence[str], *, timeout: float, lifetime: float) -> None:
        """Take the parameters of :func:`open_dns_client`."""
        super().__init__()
        # AD in a query asks for AD in the answer, without the signatures (RFC 6840 §5.7).
        self._exchange = DnsExchange(
            nameservers, timeout=timeout, lifetime=lifetime, flags=dns.flags.AD
        )

    async def _ask_securely(self, name: dns.name.Name, kind: RdataType) -> Records:
        return await self._exchange.ask(name, kind, _accept_if_marked)


class ValidatingClient(SecureDnsClient):
    """Validates the answers of one zone; resolvers and secondaries of it may be asked alike."""

    def __init__(
        self,
        nameservers: Sequence[str],
        *,
        timeout: float,
        lifetime: float,
        zone: str,
        trust_anchors: Sequence[str],
    ) -> None:
        """Take the parameters of :func:`open_dns_client`, and raise its errors."""
        super().__init__()
        # CD: a resolver that cannot validate the zone, or has stale keys, must not stand between.
        exchange = DnsExchange(
            nameservers,
            timeout=timeout,
            lifetime=lifetime,
            flags=dns.flags.CD,
            wants_dnssec=True,
        )
        self._validator = ZoneValidator(parse_anchors(zone, trust_anchors), exchange.ask)

    async def _ask_securely(self, name: dns.name.Name, kind: RdataType) -> Records:
        return await self._validator.look_up(name, kind)


async def _accept_if_marked(response: dns.message.QueryMessage) -> Records:
    if not response.flags & dns.flags.AD:
        raise NotAuthenticError("a resolver's answer without the AD flag")
    return read_records(response)
