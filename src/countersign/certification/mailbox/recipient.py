"""Which test address a recipient names, also where a relay has written it anew. Pure."""

from __future__ import annotations

import re

from countersign.certification.test_address import TestAddress, read
from countersign.protocol.address import Mailbox

_SEPARATORS = re.compile(r"[%@!:,]")
"""What stands between the parts of an address that hides another one."""
_ESCAPED = re.compile(r"\\(.)")


def read_recipient(mailbox: Mailbox | None, domain: str) -> TestAddress | None:
    """Return the test address that a recipient is, or hides in its local part.

    domain: that of the test addresses, in A-labels and lower case. None: it is none of them.
    """
    if mailbox is None or mailbox.domain != domain:
        return None
    parts = _SEPARATORS.split(_unquoted(mailbox.local_part))
    found = {address for part in parts if (address := read(part)) is not None}
    # Two at once are no form that any relay makes of one.
    return found.pop() if len(found) == 1 else None


def _unquoted(local_part: str) -> str:
    if local_part.startswith('"'):
        return _ESCAPED.sub(r"\1", local_part[1:-1])
    return local_part
