"""A person at a terminal: a command in a process that has one, and answers to what it asks."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time

SECONDS = 60.0


def at_terminal(arguments: list[str], *answers: tuple[str, str]) -> tuple[int, str]:
    """Run `countersign`; return the exit status and all that was on the screen.

    answers: words that are waited for, and what is typed then. For a password, to the last space
    of the prompt: what is typed before the echo is off is thrown away.
    """
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-m", "countersign", *arguments])
    said, end = "", time.monotonic() + SECONDS
    try:
        for words, answer in answers:
            seen = len(said)
            while words not in said[seen:]:
                more = _read(terminal, end)
                assert more, f"{words!r} was not asked: {said}"
                said += more
            os.write(terminal, answer.encode() + b"\n")
        while more := _read(terminal, end):
            said += more
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), said
    except BaseException:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        raise
    finally:
        os.close(terminal)


def _read(terminal: int, end: float) -> str:
    """Return what comes next; empty: the process has ended."""
    ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
    assert ready, "nothing came for too long"
    try:
        return os.read(terminal, 4096).decode(errors="replace")
    except OSError:
        return ""
