"""TSIG keys (RFC 8945): what a transfer of the registry's zone is signed with (DESIGN §7)."""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import dns.name
import dns.tsig

ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
"""What is taken; anything older is refused."""
DEFAULT_ALGORITHM = ALGORITHMS[0]
MINIMUM_SECRET = 32
"""Octets: the length of the shortest digest (RFC 8945 §8, RFC 2104 §3)."""
MAXIMUM_SECRET = 128
"""Octets: the block of SHA-512; HMAC hashes anything longer down (RFC 2104 §2)."""
MAXIMUM_TEXT = 4096
"""Octets of a key file."""
_LABELS = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\Z")
_FORM = "a key is 'algorithm:name:secret' in one line, or name, algorithm, secret in three lines"


class TsigKeyError(ValueError):
    """This is no key that we take; the text says what is wrong, and never quotes the secret."""


@dataclass(frozen=True, slots=True)
class TsigKey:
    """A shared key: ``name`` in small letters without the last dot, ``secret`` in octets.

    Raises :class:`TsigKeyError` for a name, algorithm or secret that we do not take.
    """

    name: str
    algorithm: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _checked_name(self.name))
        object.__setattr__(self, "algorithm", _checked_algorithm(self.algorithm))
        if not MINIMUM_SECRET <= len(self.secret) <= MAXIMUM_SECRET:
            raise TsigKeyError(
                f"the secret of the key {self.name} has {len(self.secret)} octets: "
                f"{MINIMUM_SECRET} to {MAXIMUM_SECRET} are taken"
            )

    @classmethod
    def generate(cls, name: str, algorithm: str = DEFAULT_ALGORITHM) -> Self:
        """Make a new key of 32 random octets, or more where the digest is longer."""
        size = int(_checked_algorithm(algorithm).removeprefix("hmac-sha")) // 8
        return cls(name, algorithm, os.urandom(size))

    @property
    def encoded(self) -> str:
        """The secret in base64."""
        return base64.b64encode(self.secret).decode("ascii")

    def for_dns(self) -> dns.tsig.Key:
        """Return the key as dnspython takes it."""
        return dns.tsig.Key(dns.name.from_text(self.name), self.secret, self.algorithm)

    def to_text(self) -> str:
        """Return the text of a key file, which holds the secret."""
        return f"{self.name}\n{self.algorithm}\n{self.encoded}\n"


def parse_key(text: str) -> TsigKey:
    """Read a key: three lines (name, algorithm, secret in base64), or all in one line.

    One line is ``[algorithm:]name:secret``, as kdig -y and dig -y take it; the algorithm is
    hmac-sha256 where there is none. Empty lines and lines that begin with ``#`` are passed over.
    Raises :class:`TsigKeyError`.
    """
    if len(text) > MAXIMUM_TEXT:
        raise TsigKeyError(f"this is too long for a key file: {MAXIMUM_TEXT} characters are taken")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) == 3:
        name, algorithm, secret = lines
    elif len(lines) == 1:
        algorithm, name, secret = _parts(lines[0])
    else:
        raise TsigKeyError(f"{len(lines)} lines: {_FORM}")
    return TsigKey(name, algorithm, _decoded(secret))


def key_file(path: Path) -> TsigKey:
    """Read a key from its file. Raises :class:`TsigKeyError`, which names the file."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MAXIMUM_TEXT + 1)
    except OSError as error:
        raise TsigKeyError(f"cannot read the key file {path}: {error.strerror}") from None
    if mode & 0o007:
        raise TsigKeyError(f"{path} can be read by everybody: make it private with chmod o= {path}")
    try:
        return parse_key(content.decode("ascii"))
    except UnicodeDecodeError:
        raise TsigKeyError(f"{path}: this is no text: {_FORM}") from None
    except TsigKeyError as error:
        raise TsigKeyError(f"{path}: {error}") from None


def _parts(line: str) -> tuple[str, str, str]:
    parts = line.split(":")
    if len(parts) == 2:
        return (DEFAULT_ALGORITHM, parts[0], parts[1])
    if len(parts) == 3:
        return (parts[0], parts[1], parts[2])
    raise TsigKeyError(f"{len(parts) - 1} colons in the line: {_FORM}")


def _checked_name(name: str) -> str:
    plain = name.removesuffix(".").lower()
    # Not quoted: in a line whose parts are in the wrong order this is the secret.
    if not _LABELS.match(plain) or len(plain) > 253:
        raise TsigKeyError("the key's name must be a domain name of letters, digits, '-' and '_'")
    return plain


def _checked_algorithm(algorithm: str) -> str:
    plain = algorithm.removesuffix(".").lower()
    if plain not in ALGORITHMS:
        raise TsigKeyError(
            f"the key's algorithm must be {', '.join(ALGORITHMS[:-1])} or {ALGORITHMS[-1]}: {_FORM}"
        )
    return plain


def _decoded(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise TsigKeyError("the key's secret is not base64") from None
