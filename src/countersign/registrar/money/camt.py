"""A bank's statement of account: ISO 20022 ``camt.053``, any version from .001.02 on.

Read as a stream, in bounded memory. Only booked entries are returned: pending ones are not
money yet. DTDs and entities are refused. Whoever imports a statement reads the whole of it
before anything is written: the error may be in the last line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from countersign.registrar.money.camt_entry import (
    EntryError,
    Heading,
    Occurrences,
    plain_text,
    read_detail,
    read_entry,
)
from countersign.registrar.money.statement_entry import Detail, Entry

MAX_OCTETS = 32 * 1024 * 1024
MAX_ENTRIES = 100_000
MAX_DETAILS = 200_000
"""Transactions of all entries together."""
MAX_ELEMENTS = 2_000_000
MAX_KEPT = 20_000
"""Elements of one entry, or of one transaction of it."""
MAX_DEPTH = 40
_NAMESPACE = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:([a-z]{4}\.\d{3}\.\d{3}\.(\d{2}))\}")
_ACCOUNT = {"Stmt/Acct/Id/IBAN", "Stmt/Acct/Id/Othr/Id"}
_IDENTIFIER = 70
"""The schema allows 35 characters; some banks write more."""


class CamtError(Exception):
    """The file cannot be imported; the message names the place, and quotes no personal data."""


def read_camt(stream: BinaryIO) -> Iterator[Entry]:
    """Yield the booked entries of all statements in a file, in its order.

    Raises :class:`CamtError`, at the end of a file at the latest.
    """
    reader = _Reader()
    try:
        for event, element in iterparse(_Bounded(stream), ("start", "end"), forbid_dtd=True):
            if event == "start":
                reader.start(element)
            elif (entry := reader.end(element)) is not None:
                yield entry
    except ParseError as error:
        line, column = error.position
        raise CamtError(f"line {line}, column {column}: not well-formed XML") from None
    except DefusedXmlException:
        raise CamtError("the file declares a document type or entities: refused") from None
    except (ValueError, LookupError) as error:
        # Expat's way to say that it does not know an encoding.
        raise CamtError(f"{reader.place()}: unreadable text ({type(error).__name__})") from None
    reader.finish()


class _Bounded:
    """A stream that ends in an error where a file is too long."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        octets = self._stream.read(size)
        if not self._read and octets.startswith(b"PK\x03\x04"):
            raise CamtError("this is a ZIP archive: unpack it, and import each file in it")
        self._read += len(octets)
        if self._read > MAX_OCTETS:
            raise CamtError(f"the file is longer than {MAX_OCTETS:,} octets")
        return octets


class _Reader:
    """Follows the elements of a file; keeps no more of them than the entry at hand."""

    def __init__(self) -> None:
        self._open: list[Element] = []
        self._names: list[str] = []
        self._document = 0
        """Depth of the document element; 0: outside. It may stand in a bank's envelope."""
        self._namespace = ""
        self._statements = 0
        self._entries = 0
        self._all_entries = 0
        self._all_details = 0
        self._heading = Heading()
        self._occurrences = Occurrences()
        self._details: list[Detail] = []
        self._found_document = False
        self._elements = 0
        self._kept = 0

    def place(self) -> str:
        """Return where in the file we are, for an error."""
        if not self._statements:
            return "before the first statement"
        where = f"statement {self._statements}"
        if self._heading.statement:
            where += f" ({self._heading.statement!r})"
        return f"{where}, entry {self._entries}" if self._entries else where

    def finish(self) -> None:
        """Take note of the file's end. Raises :class:`CamtError`."""
        if not self._found_document:
            raise CamtError("this is no camt.053 statement")

    def start(self, element: Element) -> None:
        """Take note of a start tag. Raises :class:`CamtError`."""
        self._open.append(element)
        self._elements += 1
        self._kept += 1
        if len(self._open) > MAX_DEPTH:
            raise CamtError(f"{self.place()}: elements nested too deeply")
        if self._elements > MAX_ELEMENTS or self._kept > MAX_KEPT:
            raise CamtError(f"{self.place()}: too many elements")
        self._names.append(element.tag.rpartition("}")[2])
        if not self._document:
            self._start_outside(element.tag)
            return
        path = self._path()
        if path == "Stmt":
            self._statements += 1
            self._entries = 0
            self._heading = Heading()
            self._occurrences = Occurrences()
        elif path == "Stmt/Ntry":
            self._entries += 1
            self._all_entries += 1
            self._details = []
            if self._all_entries > MAX_ENTRIES:
                raise CamtError(f"{self.place()}: more than {MAX_ENTRIES:,} entries")

    def _start_outside(self, tag: str) -> None:
        match = _NAMESPACE.match(tag)
        if self._names[-1] != "Document" or match is None:
            return
        if not match[1].startswith("camt.053.") or int(match[2]) < 2:
            raise CamtError(f"this is {match[1]}, not camt.053.001.02 or later")
        self._document = len(self._open)
        self._namespace = match[0]
        self._found_document = True

    def end(self, element: Element) -> Entry | None:
        """Take note of an end tag; return an entry if it is complete. Raises :class:`CamtError`."""
        entry = None
        path = self._path()
        try:
            if path == "Stmt/Id":
                self._heading.statement = _identifier(element)
            elif path in _ACCOUNT:
                self._heading.account = self._heading.account or _identifier(element)
            elif path == "Stmt/Ntry/NtryDtls/TxDtls":
                self._add_detail(element)
            elif path == "Stmt/Ntry":
                entry = self._read_entry(element)
        except EntryError as error:
            raise CamtError(f"{self.place()}, {error}") from None
        self._close(element, path)
        return entry

    def _add_detail(self, element: Element) -> None:
        self._all_details += 1
        if self._all_details > MAX_DETAILS:
            raise EntryError("TxDtls", f"more than {MAX_DETAILS:,} transactions")
        self._details.append(read_detail(element, self._namespace))

    def _read_entry(self, element: Element) -> Entry | None:
        if not self._heading.statement:
            raise EntryError("Id", "the statement's identification is missing before its entries")
        return read_entry(element, self._namespace, self._heading, self._details, self._occurrences)

    def _close(self, element: Element, path: str) -> None:
        if len(self._open) == self._document:
            self._document = 0
        self._open.pop()
        self._names.pop()
        # What is inside an entry is read when the entry ends; everything else goes at once.
        inside = path.startswith("Stmt/Ntry/") and path != "Stmt/Ntry/NtryDtls/TxDtls"
        if self._open and not inside:
            self._open[-1].remove(element)
            self._kept = 0

    def _path(self) -> str:
        """Return the path below BkToCstmrStmt; empty where there is none."""
        if not self._document:
            return ""
        names = self._names[self._document :]
        return "/".join(names[1:]) if names[:1] == ["BkToCstmrStmt"] else ""


def _identifier(element: Element) -> str:
    text = plain_text(element)
    if len(text) > _IDENTIFIER:
        raise EntryError(element.tag.rpartition("}")[2], "too long")
    return text
