"""One environment for all users of a copy in a process."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from countersign.registry.copy.environment import DATA, Environment, identity_of
from countersign.registry.copy.errors import files_explained

_open: dict[tuple[int, int], Environment] = {}
_lock = threading.Lock()
_of_parents: list[Environment] = []


def acquire(directory: Path, *, writable: bool, map_size: int) -> Environment:
    """Return the environment, opened if it is not yet. Raises :class:`CopyError`."""
    with _lock:
        identity = identity_of(directory)
        known = _open.get(identity) if identity is not None else None
        if known is None:
            known = _open_new(directory, writable=writable, map_size=map_size)
        if writable and not known.writable:
            known.make_writable(map_size)
        known.users += 1
        return known


def release(environment: Environment) -> None:
    """Close an environment when its last user has gone."""
    with _lock:
        environment.users -= 1
        if environment.users == 0 and environment not in _of_parents:
            environment.close()
            _open.pop(environment.identity or (0, 0), None)


def _open_new(directory: Path, *, writable: bool, map_size: int) -> Environment:
    with files_explained(directory):
        if writable:
            directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        else:
            (directory / DATA).stat()
    made = Environment(directory, writable=writable, map_size=map_size)
    made.check()
    _open[made.identity or (0, 0)] = made
    return made


def _in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    for environment in _open.values():
        environment.leave_to_parent()
        _of_parents.append(environment)
    _open.clear()


os.register_at_fork(after_in_child=_in_child)
