"""The order of an MTA's commands, and which of them the core answers itself."""

from __future__ import annotations

from enum import IntEnum

from countersign.protocol.milter.codes import Command, Step


class State(IntEnum):
    """How far the dialogue is; within a message it only goes on."""

    NEW = 0
    NEGOTIATED = 1
    READY = 2
    MAIL = 3
    RCPT = 4
    DATA = 5
    HEADER = 6
    BODY = 7


ALLOWED = {
    Command.CONNECT: (State.NEGOTIATED, State.NEGOTIATED),
    Command.HELO: (State.READY, State.BODY),
    Command.MAIL: (State.READY, State.BODY),
    Command.RCPT: (State.MAIL, State.RCPT),
    Command.DATA: (State.RCPT, State.RCPT),
    Command.HEADER: (State.RCPT, State.HEADER),
    Command.END_OF_HEADER: (State.RCPT, State.HEADER),
    Command.BODY: (State.BODY, State.BODY),
    Command.END_OF_MESSAGE: (State.RCPT, State.BODY),
    Command.UNKNOWN: (State.READY, State.BODY),
    Command.ABORT: (State.NEGOTIATED, State.BODY),
    Command.MACROS: (State.NEGOTIATED, State.BODY),
    Command.NEGOTIATE: (State.NEW, State.NEW),
    Command.QUIT: (State.NEW, State.BODY),
    Command.QUIT_NEW_CONNECTION: (State.NEGOTIATED, State.BODY),
}
"""The first and the last state in which a command may come."""

UNANSWERED = {
    Command.CONNECT: Step.NO_REPLY_CONNECT,
    Command.HELO: Step.NO_REPLY_HELO,
    Command.HEADER: Step.NO_REPLY_HEADER,
    Command.END_OF_HEADER: Step.NO_REPLY_END_OF_HEADER,
    Command.BODY: Step.NO_REPLY_BODY,
    Command.UNKNOWN: Step.NO_REPLY_UNKNOWN,
}
"""Commands that the core answers itself, unless the MTA waits for no answer."""
