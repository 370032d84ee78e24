"""What went wrong with a connection, as a value. Pure."""

from __future__ import annotations

import errno
import ssl

from countersign.certification.said import Trouble
from countersign.protocol.client import UnaskedReplyError
from countersign.protocol.reply import ReplySyntaxError
from countersign.transport.conversation import ConversationError

_NO_ROUTE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
)
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"})
"""What OpenSSL says of octets that are no TLS at all."""

_TROUBLES: tuple[tuple[type[Exception], Trouble], ...] = (
    (TimeoutError, Trouble.TIMED_OUT),
    (ConnectionRefusedError, Trouble.REFUSED),
    (UnaskedReplyError, Trouble.UNASKED),
    (ReplySyntaxError, Trouble.NOT_SMTP),
)


def trouble_of(error: ConversationError) -> Trouble:
    """Tell what kind of trouble a connection had."""
    match error.__cause__:
        case ssl.SSLError() as cause:
            return Trouble.UNASKED if cause.reason in _NOT_TLS else Trouble.TLS_FAILED
        case OSError() as cause if cause.errno in _NO_ROUTE:
            return Trouble.NO_ROUTE
        case cause:
            kinds = (trouble for kind, trouble in _TROUBLES if isinstance(cause, kind))
            return next(kinds, Trouble.CLOSED)
