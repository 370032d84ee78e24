"""Which names to ask a registry about: the public suffix list decides. Pure."""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList

from countersign.protocol.address import AddressSyntaxError, normalise_hostname

MAX_NAMES = 5
"""Names that one search asks for at most."""


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def registrable_domain(hostname: str) -> str | None:
    """Return the domain that somebody registered for a host: the public suffix and one label.

    Suffixes of private registries count too (``github.io``): the age of such a suffix is not
    the age of what its customers hold. None for a public suffix itself, and for what is no
    host name.
    """
    try:
        name = normalise_hostname(hostname)
    except AddressSyntaxError:
        return None
    return _suffixes().privatesuffix(name)


def names_to_ask(hostname: str) -> tuple[str, ...]:
    """Return the names to ask about, the longest first, the registrable domain last.

    The longer ones are asked too, as a suffix may be newer than our list of suffixes. Of very
    long names only the last few are taken. Empty: there is no registrable domain.
    """
    domain = registrable_domain(hostname)
    if domain is None:
        return ()
    labels = normalise_hostname(hostname).split(".")
    longest = len(labels)
    shortest = domain.count(".") + 1
    counts = range(min(longest, shortest + MAX_NAMES - 1), shortest - 1, -1)
    return tuple(".".join(labels[-count:]) for count in counts)
