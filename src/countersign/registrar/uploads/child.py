"""The process that cleans one upload: its own memory, its own time, no secrets in it.

Limits as JSON in the only argument, the file on standard input; on standard output a line of
JSON, then the cleaned content.
"""

from __future__ import annotations

import json
import resource
import sys

from countersign.registrar.uploads.cleaning import BROKEN, clean
from countersign.registrar.uploads.upload import Limits, UploadError


def main() -> None:
    """Clean what is on standard input."""
    limits = Limits(**json.loads(sys.argv[1]))
    for what, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(what, (most, most))
    content = b""
    try:
        upload = clean(sys.stdin.buffer.read(limits.size + 1), limits)
        content = upload.content
        answer = {
            "content_type": upload.content_type,
            "sha256": upload.sha256,
            "pages": upload.pages,
        }
    except UploadError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": BROKEN}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + content)


if __name__ == "__main__":
    main()
