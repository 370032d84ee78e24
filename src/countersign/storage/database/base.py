"""What all models share: the base class and kinds of column that mean the same on both engines."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    Integer,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime.datetime]):
    """A moment, always in UTC. A moment without a time zone is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        """Return what the engine stores."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(datetime.UTC)

    def process_result_value(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        """Return what the engine stored, in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=datetime.UTC)
        return value.astimezone(datetime.UTC)


JsonColumn = JSON().with_variant(JSONB(), "postgresql")
"""A JSON document."""
SortedText = String(255).with_variant(String(255, collation="C"), "postgresql")
"""Text that is searched by its beginning: ordered by code point on both engines."""
BigKey = BigInteger().with_variant(Integer(), "sqlite")
"""A key that counts up; SQLite does so for plain INTEGER only."""


def enum_column(kind: type[StrEnum]) -> Enum:
    """Return a column type that stores an enumeration by its values, and checks them."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [str(member) for member in members],
    )


Key = Annotated[int, mapped_column(BigKey, primary_key=True, autoincrement=True)]
Text32 = Annotated[str, mapped_column(String(32))]
Text64 = Annotated[str, mapped_column(String(64))]
Text255 = Annotated[str, mapped_column(String(255))]
Text1000 = Annotated[str, mapped_column(String(1000))]
Hostname = Annotated[str, mapped_column(SortedText)]
Digest = Annotated[str, mapped_column(String(64))]
"""Hexadecimal, of 256 bits."""
Amount = Annotated[int, mapped_column(BigInteger)]
"""Money in the currency's minor unit."""
Currency = Annotated[str, mapped_column(String(3))]


class Base(DeclarativeBase):
    """Base of all models."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration form
        datetime.datetime: UtcDateTime,
        dict[str, Any]: JsonColumn,
        list[Any]: JsonColumn,
        list[str]: JsonColumn,
        bytes: LargeBinary,
    }
