"""What a visitor sent: fields of a form or a query, bounded and free of what no field holds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.types import Receive, Scope

from countersign.registrar.operations.office import OperationError

MAX_FIELDS = 1000
"""Fifty directors have nearly as many."""
MAX_FIELD_SIZE = 64 * 1024
MAX_FORM_SIZE = 256 * 1024
"""Octets of a form without uploads."""
_ENVELOPE = 4096
"""Octets around an upload: its headers and boundary."""
_DRAINED = 4
"""How many times the limit is read, to be able to say that it was too much."""
_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


class MalformedError(OperationError):
    """What was sent is no form that any page of this website makes."""


class TooLargeError(OperationError):
    """More was sent than the page takes."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form. Name and type are the sender's claim only."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields by name. No text has a NUL or half a character in it."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, tuple[Upload, ...]] = field(default_factory=dict)

    def text(self, name: str, limit: int = 1000) -> str:
        """Return a field, stripped; empty: not sent.

        Raises :class:`MalformedError` if it is longer than the limit, in characters.
        """
        return self.secret(name, limit).strip()

    def secret(self, name: str, limit: int = 1000) -> str:
        """Return a field as it was typed, spaces included: a password. Raises as `text` does."""
        found = self.values.get(name, ("",))[-1]
        if len(found) > limit:
            raise MalformedError(f"A field is too long: at most {limit} characters are taken.")
        return found

    def integer(self, name: str, default: int = 0, *, low: int = 0, high: int = 10**15) -> int:
        """Return a whole number, or the default if there is none or it is out of bounds."""
        found = self.text(name, 32)
        digits = found.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()):
            return default
        return int(found) if low <= int(found) <= high else default

    def all(self, name: str) -> tuple[str, ...]:
        """Return all fields of a name, such as the ticked boxes of a group."""
        return tuple(value.strip() for value in self.values.get(name, ()))

    def ticked(self, name: str) -> bool:
        """Tell whether a box is ticked."""
        return self.text(name) != ""

    def upload(self, name: str) -> Upload | None:
        """Return an uploaded file; None: none was chosen."""
        return next(iter(self.files.get(name, ())), None)

    def plain(self) -> dict[str, str]:
        """Return the text fields, the last of each name, to fill a form in again: no passwords."""
        return {
            name: texts[-1].strip()
            for name, texts in self.values.items()
            if name != "csrf_token" and "password" not in name
        }


def fields_of_query(request: Request) -> Fields:
    """Return the query's fields. Raises :class:`MalformedError`."""
    if len(request.url.query) > 8192:
        raise MalformedError("The address is too long.")
    return Fields(_collect(request.query_params.multi_items()))


class BoundedRequest(Request):
    """A request whose body may have so many octets and no more."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self.limit = 0

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body. Raises :class:`TooLargeError`.

        Somewhat more than allowed is read and thrown away: a browser that is still sending
        would show its own error in place of ours.
        """
        total, most = 0, _DRAINED * self.limit
        claimed = self.headers.get("content-length", "")
        if claimed.isdecimal() and int(claimed) > most:
            raise _too_large(self.limit)
        async for chunk in super().stream():
            total += len(chunk)
            if total > most:
                break
            if total <= self.limit:
                yield chunk
        if total > self.limit:
            raise _too_large(self.limit)


def _too_large(limit: int) -> TooLargeError:
    megabytes = f"{limit / 1_000_000:.1f}".removesuffix(".0")
    return TooLargeError(f"That is too large: at most {megabytes} MB are taken here.")


async def read_form(request: BoundedRequest, uploads: int, upload_size: int) -> FormData:
    """Read a request's form into memory, files on disk if they are large.

    uploads: how many files it may carry, each of up to upload_size octets. Raises
    :class:`MalformedError`, :class:`TooLargeError`, and HTTPException for what is no form at all.
    """
    request.limit = MAX_FORM_SIZE + uploads * (upload_size + _ENVELOPE)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind and request.headers.get("content-length", "0") == "0":
        return FormData()
    if kind not in _TYPES:
        raise MalformedError("Only forms are taken here.")
    return await request.form(
        max_files=uploads, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_SIZE
    )


def fields_of_form(form: FormData, upload_size: int) -> Fields:
    """Return a form's fields; reads the files. Raises :class:`MalformedError`."""
    texts = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    files: dict[str, tuple[Upload, ...]] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and value.filename:
            # One octet more than allowed: whoever checks the file says how large it may be.
            content = value.file.read(upload_size + 1)
            made = Upload(_clean(value.filename)[:255], (value.content_type or "")[:100], content)
            files[name] = (*files.get(name, ()), made)
    return Fields(_collect(texts), files)


def _collect(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        found[name] = (*found.get(name, ()), _clean(value))
    return found


def _clean(text: str) -> str:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise MalformedError("A field has something in it that is no text.")
    return text.replace("\r\n", "\n")
