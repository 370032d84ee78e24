"""Files to upload: honest ones, and ones made to harm."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, String
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo


def picture(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Return a picture whose left half is white and right half black."""
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).rectangle((size[0] // 2, 0, size[0], size[1]), fill=0)
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg_with_secrets() -> bytes:
    """Return a JPEG on its side, with a place, a comment, a profile and a trailer."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SECRET-CAMERA"
    exif.get_ifd(0x8825)[2] = (33.0, 52.0, 10.0)
    return (
        encoded(picture(), "JPEG", exif=exif, comment=b"SECRET-COMMENT", icc_profile=b"SECRET-ICC")
        + b"SECRET-TRAILER"
    )


def png_with_secrets() -> bytes:
    """Return a PNG with text and a profile."""
    info = PngInfo()
    info.add_text("Author", "SECRET-AUTHOR")
    info.add_itxt("XML:com.adobe.xmp", "SECRET-XMP")
    return encoded(picture("RGBA"), "PNG", pnginfo=info, icc_profile=b"SECRET-ICC")


def pdf(change: Callable[[pikepdf.Pdf], object] = lambda _: None, pages: int = 1) -> bytes:
    """Return a PDF whose pages show a line of text and a picture, changed in some way."""
    file = pikepdf.new()
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    image = file.make_stream(
        encoded(picture(), "JPEG"),
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=60,
        Height=40,
        ColorSpace=Name.DeviceRGB,
        BitsPerComponent=8,
        Filter=Name.DCTDecode,
    )
    for number in range(pages):
        page = file.add_blank_page(page_size=(300, 200))
        page.Resources = Dictionary(Font=Dictionary(A=font), XObject=Dictionary(AA=image))
        text = f"BT /A 12 Tf 20 150 Td (Page {number}) Tj ET q 60 0 0 40 20 20 cm /AA Do Q"
        page.Contents = file.make_stream(text.encode())
    change(file)
    out = io.BytesIO()
    # Streams as they are: bombs must not go off here.
    level = pikepdf.StreamDecodeLevel.none
    file.save(out, stream_decode_level=level, compress_streams=False)
    return out.getvalue()


def arm(file: pikepdf.Pdf) -> None:
    """Put into a PDF everything that acts, fetches or hides."""
    script = Dictionary(S=Name.JavaScript, JS=String("app.alert('SECRET-SCRIPT')"))
    launch = Dictionary(S=Name.Launch, F=String("SECRET-PROGRAM.exe"))
    page = file.pages[0].obj
    file.Root.OpenAction = script
    file.Root.AA = Dictionary(WC=script)
    file.Root.Names = Dictionary(
        JavaScript=Dictionary(Names=Array([String("x"), script])),
    )
    file.attachments["SECRET-ATTACHMENT.exe"] = b"SECRET-CONTENT"
    file.Root.AcroForm = Dictionary(
        XFA=file.make_stream(b"<SECRET-XFA/>"), Fields=Array([]), NeedAppearances=True
    )
    with file.open_metadata() as metadata:
        metadata["dc:title"] = "SECRET-XMP"
    file.docinfo["/Author"] = "SECRET-AUTHOR"
    with file.open_outline() as outline:
        outline.root.append(pikepdf.OutlineItem("SECRET-OUTLINE", 0))
    page.AA = Dictionary(O=launch)
    page.PieceInfo = Dictionary(X=Dictionary(Private=String("SECRET-PIECE")))
    page.Thumb = file.make_stream(b"SECRET-THUMB")
    page.Annots = Array(
        [
            file.make_indirect(
                Dictionary(
                    Type=Name.Annot,
                    Subtype=Name.Link,
                    Rect=[0, 0, 300, 200],
                    A=action,
                )
            )
            for action in (launch, Dictionary(S=Name.URI, URI=String("http://SECRET.example")))
        ]
    )
    page.Resources.Properties = Dictionary(MC0=Dictionary(Type=Name.OCG, Name=String("SECRET-OC")))
    page.Resources.XObject.AA.Metadata = file.make_stream(b"SECRET-XMP")
    page.Resources.XObject.AA.OPI = Dictionary(F=String("http://SECRET.example"))


def fill_in_form(file: pikepdf.Pdf) -> None:
    """Put a form's field with a value on a page."""
    page = file.pages[0].obj
    field = file.make_indirect(
        Dictionary(
            Type=Name.Annot,
            Subtype=Name.Widget,
            FT=Name.Tx,
            F=4,
            T=String("number"),
            V=String("LICENCE-123"),
            DA=String("/A 12 Tf 0 g"),
            Rect=[20, 100, 200, 120],
            P=page,
        )
    )
    page.Annots = Array([field])
    file.Root.AcroForm = Dictionary(
        Fields=Array([field]),
        NeedAppearances=True,
        DR=Dictionary(Font=Dictionary(A=page.Resources.Font.A)),
    )


def packed(size: int) -> bytes:
    """Return zeros, deflated to a thousandth."""
    packer = zlib.compressobj(9)
    block = bytes(1024 * 1024)
    return b"".join(packer.compress(block) for _ in range(size // len(block))) + packer.flush()


def packed_with_lzw(times: int) -> bytes:
    """Return zeros, packed with LZW to a thousandth: 7 million for each time (PDF 1.7 §7.4.4)."""
    bits: list[str] = []
    for turn in range(times):
        # The code that clears the table is as wide as the ones before it.
        bits.append(f"{256:0{12 if turn else 9}b}{0:09b}")
        bits += [f"{code:0{(code + 1).bit_length()}b}" for code in range(258, 4094)]
    stream = "".join(bits) + f"{257:012b}"
    stream += "0" * (-len(stream) % 8)
    return int(stream, 2).to_bytes(len(stream) // 8, "big")


def png_of_dimensions(width: int, height: int, text: bytes = b"") -> bytes:
    """Return a PNG without a picture that says how large it is; text: packed by zlib."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return len(content).to_bytes(4, "big") + kind + content + check.to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    body = chunk(b"IHDR", head) + chunk(b"zTXt", b"Title\0\0" + text)
    body += chunk(b"IDAT", packed(1 << 20)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def pdf_with_nested_pages(depth: int) -> bytes:
    """Return a PDF whose page tree doubles at each level."""
    parts = [b"%PDF-1.7\n", b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"]
    for number in range(2, depth + 2):
        child = b"%d 0 R" % (number + 1)
        parts.append(
            b"%d 0 obj<</Type/Pages/Count 1/Kids[%b %b]>>endobj\n" % (number, child, child)
        )
    parts.append(b"%d 0 obj<</Type/Page/MediaBox[0 0 9 9]>>endobj\n" % (depth + 2))
    parts.append(b"trailer<</Root 1 0 R>>\n%%EOF\n")
    return b"".join(parts)
