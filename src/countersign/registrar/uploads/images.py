"""Images: decoded and encoded anew, so that nothing but the picture is left."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from countersign.registrar.uploads.upload import JPEG, PNG, WEBP, Limits, UploadError

FORMATS = {JPEG: "JPEG", PNG: "PNG", WEBP: "WEBP"}
MAX_SIDE = 30_000

_QUALITY = 90


def clean_image(data: bytes, content_type: str, limits: Limits) -> tuple[str, bytes]:
    """Return the media type and octets of the picture alone.

    EXIF (with the place where it was taken), colour profiles, comments, thumbnails, further
    frames and whatever was hung on at the end are gone; the picture is turned upright first. Raises
    :class:`UploadError`, and whatever Pillow does for a broken image.
    """
    with warnings.catch_warnings():
        # Of many pixels; they are counted here, by our own bound.
        warnings.simplefilter("ignore")
        check_header(data, [FORMATS[content_type]], limits)
        with Image.open(io.BytesIO(data), formats=[FORMATS[content_type]]) as image:
            ImageOps.exif_transpose(image, in_place=True)
            picture = _only_pixels(image)
    if content_type == PNG:
        encoded = _encode(picture, "PNG", compress_level=3)
        if len(encoded) <= limits.size:
            return PNG, encoded
    encoded = _encode(picture, "JPEG", quality=_QUALITY)
    if len(encoded) > limits.size:
        raise UploadError("Scan it again at a lower resolution: 300 dots per inch are enough.")
    return JPEG, encoded


def check_header(data: bytes, formats: list[str], limits: Limits) -> None:
    """Check an image's format and dimensions before any pixel is decoded.

    Raises :class:`UploadError`, and whatever Pillow does for a broken image.
    """
    try:
        with Image.open(io.BytesIO(data), formats=formats) as probe:
            check_dimensions(probe.size, limits)
            probe.verify()
    except Image.DecompressionBombError:
        raise _too_large(limits) from None


def check_dimensions(size: tuple[int, int], limits: Limits) -> None:
    """Raise :class:`UploadError` for an image of too many pixels, before any is decoded."""
    width, height = size
    if width < 1 or height < 1:
        raise UploadError("Scan it again: there is no picture in the file.")
    if max(size) > MAX_SIDE or width * height > limits.pixels:
        raise _too_large(limits)


def _too_large(limits: Limits) -> UploadError:
    most = limits.pixels // 1_000_000
    return UploadError(
        f"Scan it again at a lower resolution: this picture has more than {most} million pixels."
    )


def preview(content: bytes, content_type: str, side: int = 1200) -> bytes | None:
    """Return a small PNG of a cleaned image for a screener's page; None for other types.

    side: pixels of the longer side at most. For content that :func:`clean_image` made only.
    """
    if content_type not in FORMATS:
        return None
    with Image.open(io.BytesIO(content), formats=[FORMATS[content_type]]) as image:
        image.draft("RGB", (side, side))
        image.thumbnail((side, side))
        return _encode(_only_pixels(image), "PNG", compress_level=6)


def _only_pixels(image: Image.Image) -> Image.Image:
    """Return a new image in grey or colour; saving the old one could write its metadata again."""
    if image.mode.startswith("I"):
        # Grey of 16 bits; Pillow would cut it off, not scale it.
        image = image.point(lambda value: value / 257).convert("L")
    mode = "L" if image.mode in ("1", "L") else "RGB"
    bare = Image.new(mode, image.size, "white")
    if "A" in image.mode or "transparency" in image.info:
        layer = image.convert("RGBA")
        bare.paste(layer, mask=layer.getchannel("A"))
    else:
        bare.paste(image if image.mode == mode else image.convert(mode))
    return bare


def _encode(image: Image.Image, kind: str, **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
