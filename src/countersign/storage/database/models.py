"""All models, so that whoever needs the whole schema imports one module."""

from countersign.storage.database import (
    accounts,
    holdings,
    jobs,
    money,
    probing,
    promises,
    publication,
    replication,
    screening,
    servers,
)
from countersign.storage.database.base import Base

metadata = Base.metadata

__all__ = [
    "Base",
    "accounts",
    "holdings",
    "jobs",
    "metadata",
    "money",
    "probing",
    "promises",
    "publication",
    "replication",
    "screening",
    "servers",
]
