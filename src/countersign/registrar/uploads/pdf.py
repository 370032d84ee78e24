"""PDF files: only the pages are carried over into a new file, so that nothing acts or hides."""

from __future__ import annotations

import io
import zlib
from contextlib import suppress
from typing import Any

import pikepdf

from countersign.registrar.uploads.images import check_dimensions, check_header
from countersign.registrar.uploads.upload import Limits, UploadError

MAX_OBJECTS = 50_000
MAX_CONTENT = 32 * 1024 * 1024
"""Octets of one stream that is no image, unpacked."""
MAX_UNPACKED = 1024 * 1024 * 1024
"""Octets of all streams, unpacked."""

# What a page needs to be seen. Not here: annotations, actions, metadata, articles, threads.
_PAGE_KEYS = frozenset((
    "/Type", "/Parent", "/MediaBox", "/CropBox", "/BleedBox", "/TrimBox", "/ArtBox", "/Rotate",
    "/UserUnit", "/Resources", "/Contents", "/Group",
))  # fmt: skip
# Not here: /Properties, whose layers could hide parts of a page.
_RESOURCE_KEYS = frozenset((
    "/ExtGState", "/ColorSpace", "/Pattern", "/Shading", "/XObject", "/Font", "/ProcSet",
))  # fmt: skip
# Of streams: data kept in other files, replacements from elsewhere, metadata, attachments.
_STREAM_KEYS = (
    "/F", "/FFilter", "/FDecodeParms", "/OPI", "/Ref", "/Alternates", "/Metadata", "/PieceInfo",
    "/AF", "/OC", "/PS", "/Level1",
)  # fmt: skip
_IMAGE_CODECS = frozenset({"/DCTDecode", "/JPXDecode", "/CCITTFaxDecode", "/JBIG2Decode"})
_PACKED = "Print it to a new PDF and upload that: its content cannot be checked."


def clean_pdf(data: bytes, limits: Limits) -> tuple[bytes, int]:
    """Return a PDF with the same pages and nothing else, and how many there are.

    Scripts, actions, links, attachments, forms and metadata are gone; what a form's fields and
    notes show is made part of the page. Raises :class:`UploadError`, and whatever pikepdf does
    for a broken file.
    """
    try:
        source = pikepdf.open(io.BytesIO(data))
    except pikepdf.PasswordError:
        raise UploadError("Remove the password from the PDF, and upload it again.") from None
    with source, pikepdf.new() as target:
        if source.is_encrypted:
            raise UploadError("Print it to a new PDF without protection, and upload that.")
        _check_page_count(source, limits)
        with suppress(pikepdf.PdfError, ValueError):
            # A file with broken notes still has its pages.
            source.generate_appearance_streams()
            source.flatten_annotations("print")
        for page in source.pages:
            _strip(page.obj, _PAGE_KEYS)
            target.pages.append(page)
        _clean_objects(target, limits)
        out = io.BytesIO()
        target.save(
            out,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
            stream_decode_level=pikepdf.StreamDecodeLevel.none,
            deterministic_id=True,
        )
        pages = len(target.pages)
    if len(out.getvalue()) > limits.size:
        raise UploadError("Scan it again at a lower resolution: the file is too large.")
    return out.getvalue(), pages


def _check_page_count(source: pikepdf.Pdf, limits: Limits) -> None:
    # What the file says first: listing the pages of one with millions takes long.
    said = source.Root.Pages.get("/Count", 0)
    count = int(said) if said > limits.pages else len(source.pages)
    if count > limits.pages:
        raise UploadError(f"Upload at most {limits.pages} pages: this PDF has more.")
    if count < 1:
        raise UploadError("Scan it again: there is no page in the PDF.")


def _clean_objects(target: pikepdf.Pdf, limits: Limits) -> None:
    if len(target.objects) > MAX_OBJECTS:
        raise UploadError(_PACKED)
    budget = MAX_UNPACKED
    for found in target.objects:
        if isinstance(found, pikepdf.Stream):
            for key in _STREAM_KEYS:
                if key in found:
                    del found[key]
            if found.get("/Subtype") == "/PS":
                found.write(b"")
            budget -= _unpacked_size(found, budget, limits)
        if isinstance(found, pikepdf.Stream | pikepdf.Dictionary):
            resources = found.get("/Resources")
            if isinstance(resources, pikepdf.Dictionary):
                _strip(resources, _RESOURCE_KEYS)


def _strip(dictionary: Any, keep: frozenset[str]) -> None:
    for key in list(dictionary.keys()):
        if key not in keep:
            del dictionary[key]


def _unpacked_size(stream: pikepdf.Stream, budget: int, limits: Limits) -> int:
    """Return how many octets a stream has when unpacked. Raises :class:`UploadError` for a bomb."""
    filters = _filters_of(stream)
    is_image = stream.get("/Subtype") == "/Image"
    if is_image:
        size = (int(stream.get("/Width", 0)), int(stream.get("/Height", 0)))
        check_dimensions(size, limits)
    if len(set(filters)) < len(filters) or len(filters) > 2:
        raise UploadError(_PACKED)
    if not _IMAGE_CODECS.isdisjoint(filters):
        return _check_coded_image(stream, filters, limits)
    bound = budget if is_image else min(budget, MAX_CONTENT)
    if filters == ["/FlateDecode"]:
        size_unpacked = _inflated_size(stream.read_raw_bytes(), bound)
    else:
        # Rare, and bounded by the memory of the process.
        size_unpacked = len(stream.read_bytes()) if filters else len(stream.read_raw_bytes())
    if size_unpacked > bound:
        raise UploadError("Scan it again at a lower resolution: the PDF unpacks to too much.")
    return size_unpacked


def _filters_of(stream: pikepdf.Stream) -> list[str]:
    filters = stream.get("/Filter")
    if filters is None:
        return []
    if isinstance(filters, pikepdf.Array):
        return [str(name) for name in filters]
    return [str(filters)]


def _check_coded_image(stream: pikepdf.Stream, filters: list[str], limits: Limits) -> int:
    """Check the dimensions that a JPEG says itself: a viewer goes by those."""
    if len(filters) > 1:
        # Packed once more inside, which nothing but a bomb gains by.
        raise UploadError(_PACKED)
    data = stream.read_raw_bytes()
    if filters[0] in ("/DCTDecode", "/JPXDecode"):
        check_header(data, ["JPEG", "JPEG2000"], limits)
    return len(data)


def _inflated_size(data: bytes, bound: int) -> int:
    """Return the size of what zlib packed, counted up to one octet over the bound."""
    size, unpacker = 0, zlib.decompressobj()
    while data and size <= bound and not unpacker.eof:
        try:
            size += len(unpacker.decompress(data, 1024 * 1024))
        except zlib.error:
            # Viewers show what comes before the damage.
            break
        data = unpacker.unconsumed_tail
    return size
