"""The age of a domain, asked of its registry by RDAP."""

from countersign.registrar.domain_age.answer import RegistryEvent
from countersign.registrar.domain_age.lookup import (
    CouldNotTell,
    DomainAgeSearch,
    Found,
    NotFound,
    Outcome,
)
from countersign.rules.domain_names import registrable_domain

__all__ = [
    "CouldNotTell",
    "DomainAgeSearch",
    "Found",
    "NotFound",
    "Outcome",
    "RegistryEvent",
    "registrable_domain",
]
