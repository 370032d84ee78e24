"""What an upload is, how large it may be, and what is wrong with one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

JPEG, PNG, WEBP, PDF = "image/jpeg", "image/png", "image/webp", "application/pdf"
ACCEPTED = (PDF, JPEG, PNG, WEBP)
"""Media types that are taken, for a form's ``accept``; WebP is stored as JPEG."""

MAX_FILE_NAME = 80

_SUFFIXES = {JPEG: ".jpg", PNG: ".png", WEBP: ".webp", PDF: ".pdf"}
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)\Z", re.IGNORECASE)


class UploadError(Exception):
    """The upload is not taken; the text says what to do, to the person who sent it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one upload."""

    size: int = 10_000_000
    """Octets."""
    pages: int = 50
    pixels: int = 40_000_000
    """Of one image: a page of A4 at 600 dots per inch has 35 million."""
    seconds: int = 30
    """Time that checking may take, on the clock and of the processor."""
    memory: int = 1024 * 1024 * 1024
    """Octets of address space of the process that checks."""


@dataclass(frozen=True, slots=True, repr=False)
class Upload:
    """A scan that was recognised, cleaned and written anew."""

    content_type: str
    content: bytes
    sha256: str
    """Of ``content``, in hexadecimal."""
    pages: int


def safe_file_name(name: str, content_type: str) -> str:
    """Return a file name that is safe on any system and in any header, with the right ending.

    Only ASCII letters, digits and hyphens remain of what the person's computer called the file.
    """
    # Browsers of old send whole paths, of either kind.
    base = re.split(r"[\\/]", name[:1000])[-1].rpartition(".")
    ascii_only = unicodedata.normalize("NFKD", base[0] or base[2]).encode("ascii", "ignore")
    stem = _UNSAFE.sub("-", ascii_only.decode("ascii"))[:MAX_FILE_NAME].strip("-")
    if not stem or _DEVICE.match(stem):
        stem = f"scan-{stem}".strip("-")
    return stem + _SUFFIXES.get(content_type, ".bin")
