"""Recognise an upload by its content, and clean it. In this process: see ``checking``."""

from __future__ import annotations

import hashlib

import filetype

from countersign.registrar.uploads.images import FORMATS, clean_image
from countersign.registrar.uploads.pdf import clean_pdf
from countersign.registrar.uploads.upload import PDF, PNG, Limits, Upload, UploadError

BROKEN = "Scan it again, or save it anew: the file is damaged, or not what its kind should be."


def clean(data: bytes, limits: Limits) -> Upload:
    """Return the upload, recognised by its content and written anew.

    Raises :class:`UploadError`. Time and memory are not bounded here.
    """
    if not data:
        raise UploadError("Choose a file: this one is empty.")
    if len(data) > limits.size:
        raise UploadError(f"Use a file of at most {limits.size / 1_000_000:g} MB.")
    try:
        content_type, content, pages = _clean(data, filetype.guess_mime(data[:8192]), limits)
    except UploadError:
        raise
    except Exception:
        # The libraries raise almost anything for files made to break them; what was in the file
        # stays out of logs and texts.
        raise UploadError(BROKEN) from None
    return Upload(content_type, content, hashlib.sha256(content).hexdigest(), pages)


def _clean(data: bytes, kind: str | None, limits: Limits) -> tuple[str, bytes, int]:
    if kind == PDF:
        return PDF, *clean_pdf(data, limits)
    if kind == "image/apng":
        kind = PNG
    if kind in FORMATS:
        return *clean_image(data, kind, limits), 1
    raise UploadError("Upload a PDF, JPEG, PNG or WebP file: this is none of them.")
