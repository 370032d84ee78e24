"""What is to be tested: the addresses of a host, its mail domain, and the way back."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import dns.reversename

from countersign.certification.judge import (
    Judgement,
    failed,
    information,
    passed,
    untested,
)
from countersign.certification.settings import Battery
from countersign.certification.standpoint import Standpoint
from countersign.rules.domain_names import names_to_ask
from countersign.rules.network import canonical, is_callback_target
from countersign.transport.resolver import NameNotFoundError, ResolutionFailedError, Resolver

_MAX_NAMES = 10
"""Names of one address that are looked at."""


@dataclass(frozen=True, slots=True)
class Target:
    """The addresses to test, and what is to be said of the host's name."""

    addresses: tuple[str, ...]
    judgement: Judgement


async def find_target(host: str, battery: Battery, standpoint: Standpoint) -> Target:
    """Resolve a host, once: every connection goes to an address that was checked here."""
    try:
        found = await standpoint.resolver.addresses(host, fresh=True)
    except NameNotFoundError:
        return Target((), failed("The host name does not exist in the DNS."))
    except ResolutionFailedError:
        return Target((), untested("The DNS does not answer for the host name."))
    if not found:
        return Target((), failed("The host name has no address in the DNS."))
    addresses = list(dict.fromkeys(canonical(address) for address in found))
    public = [address for address in addresses if _may_be_tested(address, standpoint.networks)]
    if not public:
        return Target((), failed("None of the host's addresses is a public one of its own."))
    words = f"The host has the address{'es' if public[1:] else ''} {', '.join(public)}."
    if len(public) > battery.addresses:
        # Drawn by lot, so that nobody can keep an address out of the test.
        public = random.SystemRandom().sample(public, battery.addresses)
        words += f" Tested: {', '.join(public)}."
    if left_out := len(addresses) - len(set(addresses) & set(public)):
        words += f" Not tested: {left_out}."
    return Target(tuple(public), passed(words[:1500]))


def _may_be_tested(address: str, networks: Iterable[str]) -> bool:
    own = (address,) if _is_own(address) else ()
    return is_callback_target(address, own_addresses=own, permitted_networks=networks)


def _is_own(address: str) -> bool:
    """Tell whether an address is this machine's: it would then be reached from itself."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: connecting a datagram socket only looks the route up.
        probe.connect((address, 9))
        return bool(probe.getsockname()[0] == address)
    return False


async def find_mail_domain(host: str, resolver: Resolver) -> str:
    """Return the domain that a host is a mail exchanger of, among those that it lies in.

    Empty if there is none. Raises :class:`ResolutionFailedError` if that cannot be told.
    """
    failure: ResolutionFailedError | None = None
    for domain in names_to_ask(host):
        try:
            exchangers = await resolver.mx(domain)
        except NameNotFoundError:
            continue
        except ResolutionFailedError as error:
            failure = error
            continue
        if any(name.rstrip(".").lower() == host for _, name in exchangers):
            return domain
    if failure is not None:
        raise failure
    return ""


async def judge_reverse(host: str, address: str, resolver: Resolver) -> Judgement:
    """Tell whether the address's name leads back to it. For information only."""
    question = dns.reversename.from_address(address).to_text()
    try:
        records = (await resolver.client.ask(question, "PTR")).data
    except ResolutionFailedError:
        return information("The DNS does not answer for the address.")
    names = [record.target.to_text().rstrip(".").lower() for record in records[:_MAX_NAMES]]
    confirmed = [name for name in names if await _leads_to(name, address, resolver)]
    if host in confirmed:
        return information(f"{address} leads to {host}, and back.")
    if confirmed:
        return information(f"{address} leads to {confirmed[0]}, and back; not to {host}.")
    if names:
        return information(f"{address} leads to {names[0]}, which does not lead back.")
    return information(f"{address} has no name: many servers take no mail from such addresses.")


async def _leads_to(name: str, address: str, resolver: Resolver) -> bool:
    with contextlib.suppress(NameNotFoundError, ResolutionFailedError):
        return address in [canonical(found) for found in await resolver.addresses(name)]
    return False
