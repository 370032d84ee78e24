"""What a filter and an MTA agree on before anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from countersign.protocol.milter.codes import MIN_VERSION, VERSION, Action, Command, Stage, Step
from countersign.protocol.milter.packets import (
    MilterSyntaxError,
    encode_packet,
    read_number,
)

_NEEDED = Action.ADD_HEADERS | Action.CHANGE_HEADERS
_WELCOME = (
    Step.NO_REPLY_HEADER
    | Step.NO_UNKNOWN
    | Step.NO_REPLY_CONNECT
    | Step.NO_REPLY_HELO
    | Step.NO_REPLY_UNKNOWN
    | Step.NO_REPLY_END_OF_HEADER
    | Step.NO_REPLY_BODY
    | Step.LEADING_SPACE
)
"""Every step is wanted, but an answer to few of them: each answer is a round trip."""

Symbols = Mapping[Stage, tuple[str, ...]]
"""Macros that are asked for at each stage, by their names as the MTA writes them."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What holds for a connection."""

    version: int
    actions: Action
    steps: Step

    def encode(self, symbols: Symbols) -> bytes:
        """Return the packet that tells the MTA."""
        data = b"".join(
            int(number).to_bytes(4) for number in (self.version, self.actions, self.steps)
        )
        if self.actions & Action.SET_SYMBOL_LIST:
            for stage, names in symbols.items():
                data += int(stage).to_bytes(4) + " ".join(names).encode("ascii") + b"\0"
        return encode_packet(Command.NEGOTIATE, data)


def agree(offer: bytes) -> Agreement:
    """Take an MTA's offer. Raises :class:`MilterSyntaxError` if we cannot work with it."""
    version, actions, steps = (read_number(offer, offset) for offset in (0, 4, 8))
    if version < MIN_VERSION:
        raise MilterSyntaxError(f"version {version} of the protocol")
    if actions & _NEEDED != _NEEDED:
        raise MilterSyntaxError("the MTA does not let filters change header fields")
    return Agreement(
        min(version, VERSION),
        Action(actions & (_NEEDED | Action.SET_SYMBOL_LIST)),
        Step(steps & _WELCOME),
    )
