"""JSON of strangers: bounded in depth before it is parsed. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 40
"""Arrays and objects inside one another; answers of registries have about ten."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


class JsonError(ValueError):
    """The octets are no JSON, or nested too deeply."""


def parse_json(octets: bytes) -> Any:
    """Return the value that the octets hold. Raises :class:`JsonError`."""
    depth = 0
    for token in _TOKEN.finditer(octets):
        first = token[0][:1]
        if first == b'"':
            continue
        depth += 1 if first in b"[{" else -1
        if depth > MAX_DEPTH:
            raise JsonError("the JSON is nested too deeply")
    try:
        return json.loads(octets)
    except (ValueError, RecursionError):
        # Also UnicodeDecodeError, and numbers with thousands of digits.
        raise JsonError("not JSON") from None
