"""Reads the records of a transfer's messages: the loop that a whole zone passes through."""

from __future__ import annotations

from countersign.registry.transfer import wire
from countersign.registry.transfer.asking import TransferError
from countersign.registry.zone.names import APEX

_SOA = b"\0\x06\0\x01"
_NSEC, _RRSIG = 47, 46
_SIGNER = 18
"""Octets of a signature's RDATA before its signer's name (RFC 4034 §3.1)."""
_CLASS_IN = b"\0\x01"
_NO_NAMES = (1, 16, 28, 37, 43, 44, 48, 50, 51, 52, 53, 59, 60, 61, 62, 63, 64, 65, 99, 257)
_PLAIN = frozenset(number.to_bytes(2) + _CLASS_IN for number in _NO_NAMES)
"""TYPE and CLASS of common records without names in RDATA that could be compressed."""
_WITH_NAMES = frozenset({2, 5, 6, 12, 15, 17, 18, 21, 26, 33, 35, 36, 39})
"""Types with names in RDATA to be made whole and lower case (RFC 4034 §6.2, RFC 3597 §4)."""
_OBSOLETE = frozenset({3, 4, 7, 8, 9, 14, 24, 30, 38})
"""Types that may have compressed names, and that no library reads any more."""
_REFUSED = _OBSOLETE | {0, wire.OPT}


class RecordReader:
    """Reads messages of one transfer."""

    def __init__(self, zone: bytes, kind: int) -> None:
        """zone: in wire format, lower case; kind: AXFR or IXFR."""
        self._zone = zone
        self._kind = kind
        self._longest = 255 - len(zone)
        self._is_first = True

    def read(
        self, message: bytes, header: wire.Header
    ) -> tuple[list[tuple[bytes, bytes]], list[int]]:
        """Return all (key, record) of a message without signature, and where SOA records are.

        Names in RDATA are whole and lower case. Raises :class:`TransferError`.
        """
        try:
            at, keys = self._begin(message, header)
            found = self._answers(message, header, at, keys)
        except IndexError:
            raise TransferError("a message that is cut off") from None
        except wire.MessageError as error:
            raise TransferError(str(error)) from None
        return found

    def _begin(self, message: bytes, header: wire.Header) -> tuple[int, dict[int, bytes]]:
        """Return where the answers begin, and the keys of the names that are known there."""
        if header.flags & wire.TRUNCATED or not header.answers or header.authority:
            raise TransferError("no message of a transfer")
        if header.questions > 1 or (self._is_first and not header.questions):
            raise TransferError("an answer to another question")
        self._is_first = False
        if not header.questions:
            return wire.HEADER_SIZE, {}
        asked = wire.read_asked(message)
        if asked[:3] != (self._zone, self._kind, wire.IN):
            raise TransferError("an answer to another question")
        return asked.end, {wire.HEADER_SIZE: APEX}

    def _answers(
        self, message: bytes, header: wire.Header, at: int, keys: dict[int, bytes]
    ) -> tuple[list[tuple[bytes, bytes]], list[int]]:
        records: list[tuple[bytes, bytes]] = []
        soas: list[int] = []
        limit = len(message)
        longest = self._longest
        for number in range(header.answers):
            start = at
            length = message[at]
            labels = []
            while 0 < length < 0x40:
                at += 1 + length
                labels.append(message[at - length : at])
                length = message[at]
            suffix = b""
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | message[at + 1]
                suffix = keys.get(target) or self._suffix(message, target, start, keys)
            if not suffix:
                key, at = self._whole_name(message, start)
                keys[start] = key
            elif labels:
                at += 2
                labels.reverse()
                added = b"\0".join(labels).lower()
                key = suffix + added if suffix == APEX else suffix + b"\0" + added
                if len(key) > longest or added.count(0) >= len(labels):
                    raise TransferError("an owner name that is too long, or with a NUL in it")
                keys[start] = key
            else:
                at += 2
                key = suffix
            head = message[at : at + 4]
            end = at + 10 + (message[at + 8] << 8 | message[at + 9])
            if end > limit:
                raise TransferError("a record that is cut off")
            if head in _PLAIN:
                records.append((key, message[at:end]))
            else:
                if head == _SOA:
                    if key != APEX:
                        raise TransferError("a SOA record below the zone's own name")
                    soas.append(number)
                records.append((key, self._uncommon(message, at, end)))
            at = end
        self._check_rest(message, header, at)
        return records, soas

    def _suffix(self, message: bytes, target: int, before: int, keys: dict[int, bytes]) -> bytes:
        """Return the key of a name that is pointed to; empty, if it is not in the zone."""
        if not wire.HEADER_SIZE <= target < before:
            raise TransferError("a compressed name that does not point backwards")
        key = self._key(wire.read_name(message, target)[0])
        if key:
            keys[target] = key
        return key

    def _whole_name(self, message: bytes, at: int) -> tuple[bytes, int]:
        """Return the key of an owner name that ends in no name that we know yet."""
        name, end = wire.read_name(message, at)
        key = self._key(name)
        if not key:
            raise TransferError("a record that is not in the zone")
        return key, end

    def _key(self, name: bytes) -> bytes:
        at, end = 0, len(name) - len(self._zone)
        labels = []
        while at < end:
            labels.append(name[at + 1 : at + 1 + name[at]])
            at += 1 + name[at]
        if at != end or name[at:] != self._zone:
            return b""
        if any(b"\0" in label for label in labels):
            raise TransferError("an owner name with a NUL in it")
        return APEX + b"\0".join(reversed(labels))

    def _uncommon(self, message: bytes, at: int, end: int) -> bytes:
        """Return a record of a type that needs a look."""
        kind = int.from_bytes(message[at : at + 2])
        data = at + 10
        if message[at + 2 : at + 4] != _CLASS_IN:
            raise TransferError("a record of another class than IN")
        if kind in _WITH_NAMES or (
            kind == _RRSIG and not self._is_our_signature(message, data, end)
        ):
            canonical = wire.canonical_rdata(message, kind, data, end)
            return message[at : at + 8] + len(canonical).to_bytes(2) + canonical
        if kind == _NSEC:
            _check_uncompressed(message, data, end)
        elif kind in _REFUSED or 128 <= kind <= 255:
            raise TransferError(f"a record of type {kind}, which no zone has")
        return message[at:end]

    def _is_our_signature(self, message: bytes, data: int, end: int) -> bool:
        """Tell whether a signature's signer is the zone, in the form that it has in a node."""
        return message.startswith(self._zone, data + _SIGNER, end)

    def _check_rest(self, message: bytes, header: wire.Header, at: int) -> None:
        """There may be an OPT record behind the answers, and nothing else."""
        rest = header._replace(answers=0)
        for record in wire.read_records(message, rest, at):
            if record.kind != wire.OPT:
                raise TransferError("a record behind the answers")


def _check_uncompressed(message: bytes, at: int, end: int) -> None:
    while at < end and message[at]:
        if message[at] >= 0x40:
            raise TransferError("a compressed name where there may be none")
        at += 1 + message[at]
    if at >= end:
        raise TransferError("a malformed record of type NSEC")
