"""Lists of users as files: CSV, JSON lines, and Dovecot's passwd-file. Hostile until read.

A row has a password in clear, or as Dovecot writes a hash: `{ARGON2ID}$argon2id$…`. Other hashes
are refused: they could not be checked here.
"""

from __future__ import annotations

import base64
import csv
import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from countersign.gateway.submission.password_schemes import split_scheme
from countersign.rules.submission import normalise_user
from countersign.storage.submission.account_rows import (
    Credentials,
    NewUser,
    Privilege,
    Registration,
    ScramValues,
)

MAX_LINE: Final = 16_384
"""Characters of a line."""
MAX_ROWS: Final = 200_000
MAX_PASSWORD: Final = 1024

_Limit = Annotated[int, Field(ge=1, le=1_000_000)]
_TOO_MANY: Final = 'more fields than columns: put "…" around what has a comma, such as a hash'

_UNREGISTERED: Final = (
    "its privilege waits for the registrar: write the list again when it is registered"
)


class ListFormat(StrEnum):
    """How a list is written."""

    CSV = "csv"
    """With a first line of column names."""
    JSONL = "jsonl"
    """An object on each line; what `export` writes."""
    PASSWD = "passwd"  # noqa: S105 - the name of a format
    """Dovecot's passwd-file: NAME:{SCHEME}HASH:…"""


@dataclass(frozen=True, slots=True)
class RowFault:
    """A line that cannot be taken. It never quotes what is in it: that may be a password."""

    line: int
    words: str


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScramPart(_Part):
    """What SCRAM-SHA-256 checks, in base 64."""

    salt: Annotated[str, Field(min_length=1, max_length=1400)]
    stored_key: Annotated[str, Field(max_length=64)]
    server_key: Annotated[str, Field(max_length=64)]
    iterations: Annotated[int, Field(ge=4096, le=10_000_000)]

    def values(self) -> ScramValues:
        """Return it decoded. Raises :class:`ValueError`."""
        texts = (self.salt, self.stored_key, self.server_key)
        salt, stored, server = (base64.b64decode(text, validate=True) for text in texts)
        if len(stored) != 32 or len(server) != 32:
            raise ValueError("keys of SCRAM-SHA-256 have 32 octets")
        return ScramValues(salt, stored, server, self.iterations)


class PrivilegePart(_Part):
    """A privilege that another host of the farm has told the registrar of."""

    identifier: Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
    accepted_on: datetime.date
    agreement_version: Annotated[str, Field(min_length=1, max_length=32)]
    number: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    """The registrar's. Without it the row is not taken: nobody here would hear of the answer."""
    paper_sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""


class UserRow(_Part):
    """One user of a list."""

    name: Annotated[str, Field(max_length=1000)]
    password: Annotated[str, Field(max_length=MAX_PASSWORD)] = ""
    scram: ScramPart | None = None
    per_message: _Limit | None = None
    per_day: _Limit | None = None
    stamps_name: bool | None = None
    is_administrator: bool = False
    is_disabled: bool = False
    privilege: PrivilegePart | None = None

    @field_validator("name")
    @classmethod
    def _one_form(cls, name: str) -> str:
        return normalise_user(name)


@dataclass(frozen=True, slots=True, repr=False)
class ReadRow:
    """A user who can be taken."""

    line: int
    row: UserRow
    clear_password: str
    """To be hashed; empty: there is a hash, or none at all."""
    argon2_hash: str
    scram: ScramValues | None
    says: frozenset[str]
    """Fields that the list says something about. A line of JSON says all: what it leaves out is
    as for a new user."""

    def user(self, credentials: Credentials | None) -> NewUser:
        """Return the user. credentials: made of the password in clear."""
        row = self.row
        if credentials is None and self.argon2_hash:
            credentials = Credentials(self.argon2_hash, self.scram)
        return NewUser(
            name=row.name,
            credentials=credentials,
            per_message=row.per_message,
            per_day=row.per_day,
            stamps_name=row.stamps_name,
            is_administrator=row.is_administrator,
            is_disabled=row.is_disabled,
            privilege=_privilege(row.privilege),
        )


def read_rows(
    lines: Iterable[str], form: ListFormat, *, needs_password: bool
) -> Iterator[ReadRow | RowFault]:
    """Read a list: users who can be taken, and faults with their line numbers.

    lines: with their ends, at most MAX_LINE long. needs_password: nobody is let in without one
    that is kept here.
    """
    seen: dict[str, int] = {}
    for number, (line, row) in enumerate(_rows(lines, form)):
        if number >= MAX_ROWS:
            yield RowFault(line, f"more than {MAX_ROWS} users: take them in parts")
            return
        if isinstance(row, str):
            yield RowFault(line, row)
            continue
        earlier = seen.setdefault(row.name, line)
        if earlier != line:
            yield RowFault(line, f"the user of line {earlier} again")
            continue
        says = UserRow.model_fields if form is ListFormat.JSONL else row.model_fields_set
        yield _judged(line, row, needs_password, frozenset(says))


def _judged(
    line: int, row: UserRow, needs_password: bool, says: frozenset[str]
) -> ReadRow | RowFault:
    if row.privilege is not None and row.privilege.number is None:
        return RowFault(line, _UNREGISTERED)
    if not row.password:
        if needs_password:
            return RowFault(line, "there is no password")
        return ReadRow(line, row, "", "", None, says)
    try:
        clear, argon2_hash = split_scheme(row.password)
        scram = None if row.scram is None else row.scram.values()
    except ValueError as error:
        return RowFault(line, str(error))
    return ReadRow(line, row, clear, argon2_hash, scram, says)


def _rows(lines: Iterable[str], form: ListFormat) -> Iterator[tuple[int, UserRow | str]]:
    if form is ListFormat.CSV:
        yield from _csv_rows(lines)
        return
    for line, text in enumerate(lines, 1):
        if not text.strip() or (form is ListFormat.PASSWD and text.startswith("#")):
            continue
        if not text.endswith("\n") and len(text) >= MAX_LINE:
            yield line, f"the line is longer than {MAX_LINE} characters"
            return
        if form is ListFormat.JSONL:
            yield line, _checked(line_json=text)
        else:
            name, _, rest = text.rstrip("\r\n").partition(":")
            yield line, _checked(values={"name": name, "password": rest.partition(":")[0]})


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, UserRow | str]]:
    reader = csv.DictReader(lines, strict=True, restkey="more", restval="")
    try:
        known = set(UserRow.model_fields) - {"scram", "privilege"}
        columns = reader.fieldnames or ()
        if "name" not in columns or not set(columns) <= known:
            yield 1, f"the first line names the columns: name, and of {', '.join(sorted(known))}"
            return
        for values in reader:
            if "more" in values:
                yield reader.line_num, _TOO_MANY
                continue
            yield reader.line_num, _checked(values={key: one for key, one in values.items() if one})
    except csv.Error as error:
        yield max(1, reader.line_num), f"this is no CSV: {error}"


def _checked(*, values: dict[str, str] | None = None, line_json: str = "") -> UserRow | str:
    try:
        if values is None:
            return UserRow.model_validate_json(line_json)
        return UserRow.model_validate(values)
    except ValidationError as error:
        # Without what was given: it may be a password.
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in found["loc"])
        if found["type"] == "extra_forbidden":
            return "there is a field that is not known"
        words = str(found["msg"]).removeprefix("Value error, ")
        return f"{where}: {words}" if where else words


def _privilege(part: PrivilegePart | None) -> Privilege | None:
    if part is None:
        return None
    return Privilege(
        part.identifier,
        part.accepted_on.isoformat(),
        part.agreement_version,
        Registration.REGISTERED,
        part.number,
        part.paper_sha256,
    )
