"""Check an upload in a process of its own: whatever the file is made to do, it does there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict

from countersign.registrar.uploads.upload import Limits, Upload, UploadError

AT_ONCE = 2
"""Uploads that are checked at the same time, in each process of the service."""
DEFAULT = Limits()

_TOO_MUCH = "Scan it again at a lower resolution, or save it anew: checking the file took too much."
_turns = threading.BoundedSemaphore(AT_ONCE)


def check_upload(data: bytes, limits: Limits = DEFAULT) -> Upload:
    """Return an uploaded scan, recognised by its content and cleaned. Blocks; thread-safe.

    Of a picture only the picture is left, of a PDF only its pages. Raises :class:`UploadError`.
    """
    if not 0 < len(data) <= limits.size:
        too_large = f"Use a file of at most {limits.size / 1_000_000:g} MB."
        raise UploadError(too_large if data else "Choose a file: this one is empty.")
    if not _turns.acquire(timeout=2 * limits.seconds):
        raise UploadError("Try again in a minute: many files are being checked just now.")
    try:
        return _read_answer(_run(data, limits))
    finally:
        _turns.release()


def _run(data: bytes, limits: Limits) -> bytes:
    # Isolated (-I), with an empty environment: nothing of the service's is within its reach.
    command = [sys.executable, "-I", "-m", "countersign.registrar.uploads.child"]
    try:
        done = subprocess.run(
            [*command, json.dumps(asdict(limits))],
            input=data,
            stdout=subprocess.PIPE,
            # What a library says of a file may hold what is in it.
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            timeout=limits.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UploadError(_TOO_MUCH) from None
    if done.returncode != 0:
        raise UploadError(_TOO_MUCH)
    return done.stdout


def _read_answer(output: bytes) -> Upload:
    head, _, content = output.partition(b"\n")
    answer = json.loads(head)
    if "error" in answer:
        raise UploadError(answer["error"])
    return Upload(answer["content_type"], content, answer["sha256"], answer["pages"])
