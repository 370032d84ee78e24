"""What all shapes of the API have in common, and the parts that requests are made of."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from countersign.registrar.queries.paging import LARGEST_PAGE


class Shape(BaseModel):
    """A representation; attributes of rows become fields of the same name."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class Wanted(BaseModel):
    """What a program sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


_NO_NUL = r"^[^\u0000]*$"
Line = Annotated[str, Field(max_length=255, pattern=_NO_NUL)]
"""Text as people type it; PostgreSQL keeps no NUL."""
Lines = Annotated[str, Field(max_length=1000, pattern=_NO_NUL)]

Cursor = Annotated[
    str | None, Query(max_length=1000, description="`next` of the answer before; none: begin.")
]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Most items of an answer.")]
Key53 = Annotated[int, Path(ge=1, lt=2**53)]
"""A row's key in a path: JSON's numbers are exact so far (RFC 8259 §6)."""
