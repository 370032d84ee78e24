"""What all shapes of the API have in common, and the parts that requests are made of."""

from __future__ import annotations

import datetime
import re
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from countersign.registrar.queries.paging import LARGEST_PAGE


class Shape(BaseModel):
    """A representation; attributes of rows become fields of the same name."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class Wanted(BaseModel):
    """What a program sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


def example(**values: str) -> ConfigDict:
    """Return the setting by which a shape has an example in the document."""
    return ConfigDict(json_schema_extra={"examples": [{**values}]})


_NO_NUL = r"^[^\u0000]*$"
Line = Annotated[str, Field(max_length=255, pattern=_NO_NUL)]
"""Text as people type it; PostgreSQL keeps no NUL."""
Lines = Annotated[str, Field(max_length=1000, pattern=_NO_NUL)]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def _day(value: object) -> object:
    if not isinstance(value, str) or not _DAY.match(value):
        raise ValueError("write the day as 2026-03-31")
    return value


Day = Annotated[datetime.date, BeforeValidator(_day)]
"""A day as RFC 3339 writes it; not seconds since 1970, as pydantic would have it."""

Cursor = Annotated[
    str | None, Query(max_length=1000, description="`next` of the answer before; none: begin.")
]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Most items of an answer.")]
Key53 = Annotated[int, Path(ge=1, lt=2**53)]
"""A row's key in a path: JSON's numbers are exact so far (RFC 8259 §6)."""
