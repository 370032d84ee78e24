"""Where a command writes a TSIG key: on standard output, or to a file for the owner's eyes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from countersign.cli.common import fail
from countersign.registry.transfer.keys import TsigKey

OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the key to this new file (mode 0600) instead."),
]


@contextmanager
def key_output(path: Path | None) -> Iterator[Callable[[TsigKey], None]]:
    """Give what writes a key, in one line: ``algorithm:name:secret``.

    The file is made before the block: what cannot be written is not issued. It is removed if
    the block fails. Ends the command if there is such a file already, or it cannot be made.
    """
    if path is None:
        yield lambda key: typer.echo(_line(key), nl=False)
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        fail(f"{path} is there already: remove it, or name another file", 1)
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror}", 1)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            yield lambda key: _write(file.write, key)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def _write(write: Callable[[str], int], key: TsigKey) -> None:
    write(_line(key))


def _line(key: TsigKey) -> str:
    return f"{key.algorithm}:{key.name}:{key.encoded}\n"
