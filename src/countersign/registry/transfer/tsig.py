"""Signatures over messages and over streams of them (RFC 8945)."""

from __future__ import annotations

import hashlib
from typing import Any

import dns.exception
import dns.name
import dns.tsig
from dns.rcode import Rcode
from dns.rdtypes.ANY.TSIG import TSIG as TsigData  # noqa: N811

from countersign.registry.transfer import wire
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.signature import (
    RECORD_HEAD,
    Fault,
    TsigError,
    find_signature,
    read_signature,
    signature_data,
    signature_record,
)

MAX_UNSIGNED = 99
"""Messages in a row of a stream that may go without a signature (RFC 8945 §5.3.1)."""
_MINIMUM_MAC = 10
# dnspython has no types for these two.
_sign: Any = dns.tsig.sign
_validate: Any = dns.tsig.validate


class Signer:
    """Signs the messages of one exchange: a question, or all messages of its answer in turn."""

    def __init__(self, key: TsigKey, request_mac: bytes = b"") -> None:
        """request_mac: of the question, in an answer."""
        self._key = key.for_dns()
        self._request_mac = request_mac
        self._context: Any = None
        self.mac = b""
        """Of the message signed last."""

    def sign(self, message: bytes, now: float) -> bytes:
        """Return a message with its signature.

        now: Unix seconds. Raises :class:`ValueError` if it grows too long.
        """
        return self._signed(message, self._data(message, int(now)))

    def sign_bad_time(self, message: bytes, time_signed: int, now: float) -> bytes:
        """Return an answer to a question that was signed at a wrong time (RFC 8945 §5.2.3)."""
        other = int(now).to_bytes(6, "big")
        return self._signed(message, self._data(message, time_signed, Rcode.BADTIME, other))

    def _data(
        self, message: bytes, time: int, error: Rcode = Rcode.NOERROR, other: bytes = b""
    ) -> TsigData:
        id_ = int.from_bytes(message[:2], "big")
        algorithm = self._key.algorithm
        return signature_data(algorithm, time, id_, error, other)

    def _signed(self, message: bytes, data: TsigData) -> bytes:
        data, self._context = _sign(
            message,
            self._key,
            data,
            data.time_signed,
            self._request_mac,
            self._context,
            multi=True,
        )
        self.mac = data.mac
        signed = wire.with_record(message, signature_record(self._key.name.to_digestable(), data))
        if len(signed) > wire.MAX_MESSAGE:
            raise ValueError("a message that is too long with its signature")
        return signed


class Verifier:
    """Checks the messages of one exchange. Without a key it lets all pass as they are."""

    def __init__(self, key: TsigKey | None, request_mac: bytes = b"") -> None:
        """request_mac: of our question, if these are messages of its answer."""
        self._key = None if key is None else key.for_dns()
        self._request_mac = request_mac
        self._context: Any = None
        self._unsigned = 0
        self.mac = b""
        """Of the message verified last, were it at a wrong time."""
        if self._key is not None and key is not None:
            self._owner = self._key.name.to_digestable()
            self._mac_size = hashlib.new(key.algorithm.removeprefix("hmac-")).digest_size
            # TIME, FUDGE, MAC SIZE, ORIGINAL ID, ERROR, OTHER LEN are 16 octets.
            self._data_size = len(self._key.algorithm.to_digestable()) + 16 + self._mac_size

    def verify(self, message: bytes, now: float) -> bytes:
        """Return a message without its signature.

        The first message of an exchange must be signed. now: Unix seconds.
        Raises :class:`TsigError`.
        """
        if self._key is None:
            return message
        found = self._find(message)
        if found is None:
            return self._unsigned_one(message)
        owner, start, data = found
        self._check_form(self._key, owner, data)
        try:
            self._context = _validate(
                message,
                self._key,
                owner,
                data,
                int(now),
                self._request_mac,
                start,
                self._context,
                multi=True,
            )
        except dns.exception.DNSException as error:
            if isinstance(error, dns.tsig.BadTime):
                self.mac = data.mac
            raise _as_ours(error) from None
        self.mac = data.mac
        self._unsigned = 0
        return wire.without_last(message, start)

    def finish(self) -> None:
        """Say that there was the last message, which must have been signed.

        Raises :class:`TsigError`.
        """
        if self._key is not None and (self._unsigned or not self.mac):
            raise TsigError(Fault.MISSING)

    def _unsigned_one(self, message: bytes) -> bytes:
        if self._context is None or self._unsigned >= MAX_UNSIGNED:
            raise TsigError(Fault.MISSING)
        self._unsigned += 1
        self._context.update(message)
        return message

    def _check_form(self, key: dns.tsig.Key, owner: dns.name.Name, data: TsigData) -> None:
        """RFC 8945 §5.2.1, §5.2.2.1; our policy is to take no shortened signature."""
        if data.error:
            return
        if (owner, data.algorithm) != (key.name, key.algorithm):
            raise TsigError(Fault.BADKEY)
        size = len(data.mac)
        if size == self._mac_size:
            return
        shortest = max(_MINIMUM_MAC, self._mac_size // 2)
        raise TsigError(Fault.BADTRUNC if shortest <= size < self._mac_size else Fault.MALFORMED)

    def _find(self, message: bytes) -> tuple[dns.name.Name, int, TsigData] | None:
        """Find the signature: where it nearly always is, else by a walk through the records."""
        start = len(message) - len(self._owner) - len(RECORD_HEAD) - 2 - self._data_size
        head = self._owner + RECORD_HEAD + self._data_size.to_bytes(2, "big")
        if start >= wire.HEADER_SIZE and message[10:12] != b"\0\0":
            data = start + len(head)
            if message[start:data].lower() == head.lower():
                return self._taken_apart(self._owner, message, start, data)
        try:
            found = find_signature(message)
        except wire.MessageError:
            raise TsigError(Fault.MALFORMED) from None
        return found and self._taken_apart(found.name, message, found.start, found.data)

    @staticmethod
    def _taken_apart(
        owner: bytes, message: bytes, start: int, data: int
    ) -> tuple[dns.name.Name, int, TsigData]:
        return dns.name.from_wire(owner, 0)[0], start, read_signature(message, data, len(message))


def _as_ours(error: dns.exception.DNSException) -> TsigError:
    by_peer: dict[type[dns.exception.DNSException], Fault] = {
        dns.tsig.PeerBadKey: Fault.BADKEY,
        dns.tsig.PeerBadSignature: Fault.BADSIG,
        dns.tsig.PeerBadTime: Fault.BADTIME,
        dns.tsig.PeerBadTruncation: Fault.BADTRUNC,
    }
    if fault := by_peer.get(type(error)):
        return TsigError(fault, by_peer=True)
    ours: dict[type[dns.exception.DNSException], Fault] = {
        dns.tsig.BadSignature: Fault.BADSIG,
        dns.tsig.BadTime: Fault.BADTIME,
    }
    return TsigError(ours.get(type(error), Fault.MALFORMED))
