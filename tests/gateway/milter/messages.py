"""Messages of all kinds that users submit."""

from __future__ import annotations

from countersign.mail.trace import split_fields
from tests.gateway.milter.site import HOSTNAME

FROM = b"From: Alice <alice@alpha.example>\r\n"
FORGED = (
    b"Message-Tracking: v=1; host=elsewhere.example; id=x\r\n"
    b"message-tracking : v=1;\r\n\tfolded\r\n"
    b"MESSAGE-TRACKING: again\r\n"
)
CONTENTS = {
    "plain": FROM + b"To: u@b.example\r\nSubject: hello\r\n\r\nText.\r\n",
    "nothing but an author": FROM + b"\r\nText.\r\n",
    "no body": FROM + b"Subject: empty\r\n\r\n",
    "no empty line": FROM + b"Subject: header only\r\n",
    "forged stamps": FORGED + FROM + FORGED + b"Subject: x\r\n\r\nText.\r\n",
    "forged results": (
        f"Authentication-Results: {HOSTNAME};\r\n\tdkim=pass\r\n".encode()
        + b"Authentication-Results: other.example; dkim=pass\r\n"
        + FROM
        + b"\r\nText.\r\n"
    ),
    "folded and odd spaces": (
        b"From:\r\n \tAlice\r\n <alice@alpha.example>\r\nSubject:no space\r\nTo:   u@b.org  \r\n"
        b"X-Empty:\r\nCc:\tc@d.example\r\nReferences: <1@a>\r\n\t<2@a>\r\n   <3@a>\r\n\r\nText.\r\n"
    ),
    "8 bits": FROM
    + "Subject: Grüße\r\nContent-Type: text/plain; charset=utf-8\r\n".encode()
    + "Content-Transfer-Encoding: 8bit\r\n\r\nÄpfel und Öl\r\n".encode(),
    "other octets": FROM + b"\r\n" + bytes(range(128, 256)) + b"\x01\x7f\t\r\n",
    "dots": FROM + b"\r\n.\r\n..\r\n.x\r\n\r\n.\r\nend\r\n",
    "empty lines at the end": FROM + b"\r\n\r\n\r\nText  with \t spaces \r\n\r\n\r\n\r\n",
    "no last line end": FROM + b"\r\nThe end",
    "lines as long as can be": FROM + b"\r\n" + (b"x" * 998 + b"\r\n") * 3,
    "large": FROM + b"\r\n" + b"A line of an ordinary message, sent often.\r\n" * 20_000,
    "many fields": FROM + b"".join(b"X-%d: value\r\n" % n for n in range(500)) + b"\r\nText.\r\n",
    "several parts": (
        FROM + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nOne.\r\n--b\r\n\r\nTwo.\r\n--b--\r\nAfter.\r\n"
    ),
}


def fields_of(message: bytes, name: bytes) -> list[bytes]:
    header = message.partition(b"\n\n")[0] + b"\n"
    return [
        field.partition(b":")[2].strip()
        for field in split_fields(header)
        if field.partition(b":")[0].strip().lower() == name
    ]
