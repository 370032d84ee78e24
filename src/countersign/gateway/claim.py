"""One gateway for each state directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from countersign.gateway.sockets import SupervisorError

_PID_FILE = "supervisor.pid"


@contextlib.contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Keep others from running a gateway with this state directory, and leave our number there.

    They could: each worker's sockets share their port (SO_REUSEPORT). The file stays, empty. Raises
    :class:`SupervisorError` if one runs already, and :class:`OSError`.
    """
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    path = directory / _PID_FILE
    with path.open("a+") as file:
        try:
            # The kernel lets go of it however we end.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = file.read(20).strip() or "?"
            raise SupervisorError(
                f"a gateway with the state directory {directory} runs already, process {other}: "
                "stop it first, or reload it with SIGHUP"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            # It keeps its name: else who has opened it by now would hold what others do not see.
            file.truncate(0)
