"""The numbers of the milter protocol: commands, replies, what can be negotiated.

Version 6 of the protocol, as Sendmail 8.17's libmilter documents it and Postfix 3.7 speaks it.
There is no RFC. A packet is a length of four octets, a letter, and the letter's data.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag, StrEnum

MIN_VERSION = 2
VERSION = 6


class Command(StrEnum):
    """What the MTA sends."""

    NEGOTIATE = "O"
    MACROS = "D"
    CONNECT = "C"
    HELO = "H"
    MAIL = "M"
    RCPT = "R"
    DATA = "T"
    HEADER = "L"
    END_OF_HEADER = "N"
    BODY = "B"
    END_OF_MESSAGE = "E"
    ABORT = "A"
    UNKNOWN = "U"
    QUIT = "Q"
    QUIT_NEW_CONNECTION = "K"


class Answer(StrEnum):
    """What the filter sends."""

    CONTINUE = "c"
    ACCEPT = "a"
    REJECT = "r"
    TEMPFAIL = "t"
    REPLY_CODE = "y"
    PROGRESS = "p"
    ADD_HEADER = "h"
    INSERT_HEADER = "i"
    CHANGE_HEADER = "m"


class Action(IntFlag):
    """What a filter may do to a message, and what it may ask for."""

    ADD_HEADERS = 0x01
    """Inserting is adding."""
    CHANGE_HEADERS = 0x10
    SET_SYMBOL_LIST = 0x100
    """The filter says which macros it wants at which stage."""


class Step(IntFlag):
    """How the dialogue is to go. The MTA offers; what the filter takes up holds."""

    NO_REPLY_HEADER = 0x80
    NO_UNKNOWN = 0x100
    NO_REPLY_CONNECT = 0x1000
    NO_REPLY_HELO = 0x2000
    NO_REPLY_UNKNOWN = 0x20000
    NO_REPLY_END_OF_HEADER = 0x40000
    NO_REPLY_BODY = 0x80000
    LEADING_SPACE = 0x100000
    """Values of header fields are given, and taken, with the space after the colon."""


class Stage(IntEnum):
    """Stages for which macros are asked."""

    CONNECT = 0
    HELO = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    END_OF_MESSAGE = 5
    END_OF_HEADER = 6
