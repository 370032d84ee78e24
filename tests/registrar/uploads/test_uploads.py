"""Uploads: recognised by content, cleaned of all but the picture, bounded against bombs."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from countersign.registrar.uploads.checking import check_upload
from countersign.registrar.uploads.cleaning import clean
from countersign.registrar.uploads.images import preview
from countersign.registrar.uploads.upload import JPEG, PDF, PNG, Limits, UploadError, safe_file_name

from . import files

LIMITS = Limits()


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(
    ("kind", "mode", "content_type"),
    [("JPEG", mode, JPEG) for mode in ("L", "RGB", "CMYK")]
    + [("PNG", mode, PNG) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    + [("WEBP", mode, JPEG) for mode in ("RGB", "RGBA")],
)
def test_every_kind_of_image_keeps_its_picture(kind: str, mode: str, content_type: str) -> None:
    image = (
        files.picture("L").convert("I").point(lambda v: v * 257).convert("I;16")
        if (mode == "I;16")
        else files.picture(mode)
    )
    upload = clean(files.encoded(image, kind), LIMITS)
    assert (upload.content_type, upload.pages) == (content_type, 1)
    assert upload.sha256 == hashlib.sha256(upload.content).hexdigest()
    result = decoded(upload.content).convert("L")
    assert result.size == (60, 40)
    assert result.getpixel((10, 20)) > 240
    assert result.getpixel((50, 20)) < 15


@pytest.mark.parametrize("data", [files.jpeg_with_secrets(), files.png_with_secrets()])
def test_nothing_but_the_picture_is_left_of_an_image(data: bytes) -> None:
    assert b"SECRET" in data
    upload = clean(data, LIMITS)
    image = decoded(upload.content)
    assert b"SECRET" not in upload.content
    assert not image.getexif()
    assert not {"icc_profile", "comment", "exif", "xmp", "Author"} & set(image.info)


def test_a_photograph_taken_sideways_is_turned_upright() -> None:
    assert decoded(clean(files.jpeg_with_secrets(), LIMITS).content).size == (40, 60)


def test_transparent_parts_become_white() -> None:
    image = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    assert decoded(clean(files.encoded(image, "PNG"), LIMITS).content).getpixel((5, 5)) == (
        255, 255, 255,
    )  # fmt: skip


def test_an_animation_becomes_its_first_picture() -> None:
    frames = [files.picture(), Image.new("RGB", (60, 40))]
    data = files.encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert decoded(clean(data, LIMITS).content).format == "PNG"


def test_a_preview_is_a_small_png() -> None:
    upload = clean(files.encoded(files.picture(size=(3000, 2000)), "JPEG"), LIMITS)
    small = preview(upload.content, upload.content_type, 300)
    assert small is not None
    assert decoded(small).size == (300, 200)
    assert preview(b"%PDF-1.7", PDF) is None


def test_the_pages_of_a_pdf_are_kept_as_they_look() -> None:
    upload = clean(files.pdf(pages=3), LIMITS)
    assert (upload.content_type, upload.pages) == (PDF, 3)
    with pikepdf.open(io.BytesIO(upload.content)) as cleaned:
        for number, page in enumerate(cleaned.pages):
            assert f"(Page {number})".encode() in page.Contents.read_bytes()
            assert page.Resources.Font.A.BaseFont == "/Helvetica"
            assert page.Resources.XObject.AA.read_raw_bytes() == files.encoded(
                files.picture(), "JPEG"
            )
            assert list(page.MediaBox) == [0, 0, 300, 200]


def test_nothing_in_a_pdf_acts_or_hides() -> None:
    data = files.pdf(files.arm)
    upload = clean(data, LIMITS)
    with pikepdf.open(io.BytesIO(upload.content)) as cleaned:
        assert set(cleaned.Root.keys()) == {"/Type", "/Pages"}
        assert not cleaned.attachments
        assert not cleaned.docinfo.keys()
        assert set(cleaned.pages[0].obj.keys()) <= {
            "/Type", "/Parent", "/MediaBox", "/Contents", "/Resources",
        }  # fmt: skip
        written = b"".join(
            found.unparse(resolved=True)
            + (found.read_raw_bytes() if isinstance(found, pikepdf.Stream) else b"")
            for found in cleaned.objects
        )
    assert b"SECRET" not in written
    for word in (b"JavaScript", b"Launch", b"/URI", b"/Annots"):
        assert word not in written


def test_what_was_filled_into_a_pdf_form_is_part_of_the_page() -> None:
    upload = clean(files.pdf(files.fill_in_form), LIMITS)
    with pikepdf.open(io.BytesIO(upload.content)) as cleaned:
        streams = [o.read_bytes() for o in cleaned.objects if isinstance(o, pikepdf.Stream)
                   and o.get("/Filter") != "/DCTDecode"]  # fmt: skip
    assert any(b"LICENCE-123" in stream for stream in streams)


def test_resources_that_pages_inherit_come_along() -> None:
    def inherit(file: pikepdf.Pdf) -> None:
        page = file.pages[0].obj
        for key in ("/Resources", "/MediaBox"):
            file.Root.Pages[key] = page[key]
            del page[key]

    upload = clean(files.pdf(inherit), LIMITS)
    with pikepdf.open(io.BytesIO(upload.content)) as cleaned:
        assert cleaned.pages[0].obj.Resources.Font.A.BaseFont == "/Helvetica"
        assert list(cleaned.pages[0].mediabox) == [0, 0, 300, 200]


def test_cleaning_twice_changes_nothing_more() -> None:
    once = clean(files.pdf(files.arm), LIMITS)
    assert clean(once.content, LIMITS).pages == once.pages
    png = clean(files.png_with_secrets(), LIMITS)
    assert clean(png.content, LIMITS) == png


def encrypted(**passwords: str) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(files.pdf())) as file:
        file.save(out, encryption=pikepdf.Encryption(R=6, **{"owner": "", "user": "", **passwords}))
    return out.getvalue()


def pdf_with_stream(data: bytes, **entries: object) -> bytes:
    def add(file: pikepdf.Pdf) -> None:
        file.pages[0].Contents = file.make_stream(data, **entries)

    return files.pdf(add)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"x" * (LIMITS.size + 1), "at most 10 MB"),
        (b"MZ\x90\0 a program", "none of them"),
        (b"GIF89a" + bytes(100), "none of them"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "none of them"),
        (b"%PDF-1.7\nnothing", "damaged"),
        (files.encoded(files.picture(), "PNG")[:90], "damaged"),
        (files.encoded(files.picture(), "JPEG")[:-200], "damaged"),
        (files.png_of_dimensions(100_000, 1), "lower resolution"),
        (files.png_of_dimensions(20_000, 20_000), "lower resolution"),
        (files.png_of_dimensions(0, 20_000), "damaged"),
        (files.pdf(pages=51), "at most 50 pages"),
        (files.pdf(pages=0), "no page"),
        (encrypted(user="x", owner="y"), "Remove the password"),
        (encrypted(owner="x"), "without protection"),
        (pdf_with_stream(files.packed(64 << 20), Filter=pikepdf.Name.FlateDecode), "too much"),
        (
            pdf_with_stream(b"x", Filter=pikepdf.Array([pikepdf.Name.FlateDecode] * 2)),
            "cannot be checked",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_with_what_to_do(data: bytes, words: str) -> None:
    with pytest.raises(UploadError, match=words):
        clean(data, LIMITS)


def test_a_jpeg_inside_a_pdf_does_not_get_around_the_bound_of_pixels() -> None:
    limits = replace(LIMITS, pixels=2000)
    with pytest.raises(UploadError, match="lower resolution"):
        clean(files.pdf(), limits)

    def lie(file: pikepdf.Pdf) -> None:
        image = file.pages[0].Resources.XObject.AA
        image.Width = image.Height = 10

    with pytest.raises(UploadError, match="lower resolution"):
        clean(files.pdf(lie), limits)


seeds = [
    files.jpeg_with_secrets(),
    files.png_with_secrets(),
    files.encoded(files.picture(), "WEBP"),
    files.pdf(files.arm),
    files.pdf(files.fill_in_form),
]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [b"", b"%PDF-1.7\n", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]
    ),
    st.binary(max_size=500),
)
def test_arbitrary_octets_raise_nothing_but_upload_errors(head: bytes, rest: bytes) -> None:
    try:
        clean(head + rest, LIMITS)
    except UploadError as error:
        assert str(error)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(seeds),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5),
)
def test_damaged_files_raise_nothing_but_upload_errors(
    seed: bytes, damages: list[tuple[float, bytes]]
) -> None:
    data = bytearray(seed)
    for place, octets in damages:
        start = int(place * (len(data) - 1))
        data[start : start + len(octets)] = octets
    try:
        upload = clean(bytes(data), LIMITS)
    except UploadError:
        return
    assert b"SECRET" not in upload.content


@pytest.mark.parametrize("seed", seeds)
def test_the_process_that_checks_gives_the_same_as_checking_here(seed: bytes) -> None:
    upload, here = check_upload(seed), clean(seed, LIMITS)
    assert upload == here


def test_the_process_that_checks_passes_on_what_to_do() -> None:
    for data, words in ((b"", "empty"), (b"x" * 10_000_001, "10 MB"), (b"text", "none of them")):
        with pytest.raises(UploadError, match=words):
            check_upload(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pdf_with_stream(files.packed(256 << 20), Filter=pikepdf.Name.FlateDecode),
        lambda: pdf_with_stream(files.packed_with_lzw(100), Filter=pikepdf.Name.LZWDecode),
        lambda: files.pdf_with_nested_pages(40),
        lambda: files.png_of_dimensions(100, 100, files.packed(256 << 20)),
    ],
    ids=["flate", "lzw", "page tree", "png text"],
)
def test_bombs_are_refused_within_their_bounds(make: Callable[[], bytes]) -> None:
    bomb = make()
    assert len(bomb) < LIMITS.size
    limits = replace(LIMITS, seconds=5, memory=512 << 20)
    start = time.monotonic()
    with pytest.raises(UploadError):
        check_upload(bomb, limits)
    assert time.monotonic() - start < 15


def test_many_uploads_at_once_take_turns() -> None:
    with ThreadPoolExecutor(6) as pool:
        uploads = list(pool.map(check_upload, [files.png_with_secrets()] * 6))
    assert len({upload.sha256 for upload in uploads}) == 1


def test_a_large_scan_passes_in_time() -> None:
    page = Image.effect_noise((2480, 3508), 20).convert("RGB")
    data = files.encoded(page, "JPEG", quality=85)
    assert 2_000_000 < len(data) < LIMITS.size
    assert check_upload(data).content_type == JPEG


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Führerschein Zoë.JPEG", "Fuhrerschein-Zoe.jpg"),
        ("C:\\Users\\zoe\\scan.png", "scan.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        ("virus.exe.jpg", "virus-exe.jpg"),
        ("護照.jpg", "scan.jpg"),
        ("", "scan.jpg"),
        ("CON.jpg", "scan-CON.jpg"),
        (".htaccess", "htaccess.jpg"),
        ('a"\r\nSet-Cookie: x.jpg', "a-Set-Cookie-x.jpg"),
    ],
)
def test_file_names_become_safe(name: str, safe: str) -> None:
    assert safe_file_name(name, JPEG) == safe


@given(st.text(max_size=300), st.sampled_from([JPEG, PNG, PDF, "text/html"]))
def test_a_safe_name_is_safe_whatever_the_name_was(name: str, content_type: str) -> None:
    safe = safe_file_name(name, content_type)
    assert len(safe) < 100
    assert safe.isascii()
    stem, _, ending = safe.rpartition(".")
    assert stem.replace("-", "").isalnum()
    assert ending in {"jpg", "png", "pdf", "bin"}
