"""Parameters of MAIL and RCPT: which there are, and what values they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from countersign.protocol.command import CommandRefusedError, CommandSyntaxError, Envelope
from countersign.protocol.reply import reply

Checks = Mapping[str, Callable[[str | None], bool]]


def check_parameters(envelope: Envelope, known: Checks, announced: Set[str]) -> None:
    """Check an envelope's parameters, and that its address needs none that is missing.

    ``announced``: the keywords that EHLO's reply allowed. Raises
    :class:`~countersign.protocol.command.CommandRefusedError` and
    :class:`~countersign.protocol.command.CommandSyntaxError`.
    """
    for name, value in envelope.parameters.items():
        check = known.get(name)
        if check is None or name not in announced:
            raise CommandRefusedError(reply(555, "5.5.4", f"Parameter not recognised: {name}"))
        if not check(value):
            raise CommandSyntaxError(f"Bad value of {name}")
    if not envelope.raw_path.isascii() and "SMTPUTF8" not in announced:
        raise CommandRefusedError(reply(553, "5.6.7", "Non-ASCII address, and no SMTPUTF8"))


def _is_size(value: str | None) -> bool:
    return value is not None and value.isascii() and value.isdecimal() and len(value) <= 20


def _is_one_of(*allowed: str) -> Callable[[str | None], bool]:
    return lambda value: value is not None and value.upper() in allowed


def _is_text(value: str | None) -> bool:
    return value is not None and 1 <= len(value) <= 500


MAIL_PARAMETERS: Checks = {
    "SIZE": _is_size,
    "BODY": _is_one_of("7BIT", "8BITMIME"),
    "SMTPUTF8": lambda value: value is None,
    "RET": _is_one_of("FULL", "HDRS"),
    "ENVID": _is_text,
    "AUTH": _is_text,
}
RCPT_PARAMETERS: Checks = {
    "NOTIFY": _is_text,
    "ORCPT": _is_text,
}
